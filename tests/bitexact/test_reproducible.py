"""The same model gives the same bytes wherever it is compiled, and names change no object code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from building import Build, Built
from elftools.elf.elffile import ELFFile
from fixed import ZOOS, renamed, zoo_case

from rnn2c.validate.verify import verify

HERE = Path(__file__).resolve().parent
PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from building import built
from fixed import zoo_case
built(zoo_case("compact hot"), Path(sys.argv[1]))
"""
ENVIRONMENTS = {
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "hash seed 2": {"PYTHONHASHSEED": "2"},
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8 locale": {"LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8", "TZ": "Asia/Tokyo"},
    "optimized": {"PYTHONOPTIMIZE": "2"},
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_bytes_do_not_depend_on_the_surroundings(
    environment: str, build: Build, tmp_path: Path
) -> None:
    here = contents(build(zoo_case("compact hot")).folder)
    elsewhere = tmp_path / "another place" / environment
    elsewhere.mkdir(parents=True)
    paths = [str(HERE), str(HERE.parent), str(HERE.parents[1])]
    subprocess.run(
        [sys.executable, "-c", PROGRAM, "out", *paths],
        cwd=elsewhere,
        env={**os.environ, **ENVIRONMENTS[environment]},
        check=True,
        timeout=60,
    )
    assert contents(elsewhere / "out") == here
    assert len(here) == 4


NAMES = {
    "lstm": "Zeppelin",
    "gru": "1st gru/layer::0",
    "old_gru": "b",
    "rnn": "a",
    "relu": "layer",
    "last": "tail",
    "dense": "classifier.0",
    "logits": "classifier.2",
    "softmax": "sm",
    "label": "winner",
    "probability": "p(class)",
    "front": "fc",
    "y": "out",
    "x": "accelerometer",
    "u": "context",
    "lstm_h0": "hidden",
    "lstm_c0": "cell",
    "old_gru_h0": "start",
}
HOSTILE = dict(
    zip(
        NAMES,
        """int8_t state memset v_odd uint16_t h state_t now sat8 size_t r_sum best value
        wrong multiplier int8_t_h_new int8_t_h save""".split(),
        strict=True,
    )
)
"""Names that mean something in the emitted C: types, functions, macros, its own variables."""


def loaded(path: Path) -> list[bytes]:
    """Contents of the sections that are loaded, in order, without their names."""
    with path.open("rb") as file:
        sections = ELFFile(file).iter_sections()
        return [s.data() for s in sections if s["sh_flags"] & 2 and s["sh_type"] == "SHT_PROGBITS"]


@pytest.mark.parametrize("zoo", ["accurate", "compact hot"])
@pytest.mark.parametrize("target", ["host", "cortex-m4", "atmega328p"])
def test_renaming_changes_no_object_code(
    target: str, zoo: str, build: Build, tmp_path: Path
) -> None:
    plain = build(zoo_case(zoo), target, "plain")
    other = build(renamed(zoo_case(zoo), NAMES), target, "renamed")
    assert other.text() != plain.text()
    assert other.program.model_id == plain.program.model_id
    assert loaded(other.compiled(tmp_path)) == loaded(plain.compiled(tmp_path))


@pytest.mark.parametrize("zoo", ZOOS)
def test_names_that_mean_something_in_c_are_harmless(zoo: str, build: Build) -> None:
    made = build(renamed(zoo_case(zoo), HOSTILE))
    report = verify(made.program, made.folder, made.sequences())
    assert report.bit_exact, report.to_json()
    plain = build(zoo_case(zoo), folder="plain")
    assert made.program.model_id == plain.program.model_id


def test_a_changed_weight_changes_the_model_id(build: Build) -> None:
    def with_bias(made: Built) -> int:
        case = made.case
        layer = case.model.layers[0]
        bias = layer.b_ih.copy()  # type: ignore[attr-defined]
        bias[0] += 0.05
        changed = type(layer)(**{**vars(layer), "b_ih": bias})
        model = case.model.with_layers((changed, *case.model.layers[1:]))
        return build(case._replace(model=model), folder="changed").program.model_id

    made = build(zoo_case("accurate"))
    assert with_bias(made) != made.program.model_id
