"""The emitted C of layers that look over several steps, on the host and on emulated targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from temporal_models import MODELS, Maker, every_step, sequences

from rnn2c.ir.graph import Model
from rnn2c.pipeline import (
    QuantizeOptions,
    bench,
    compile_float32,
    compile_model,
    emit,
    verify,
)
from rnn2c.target import load_target
from rnn2c.validate.runner import run_sequences

OPTIONS = {
    "accurate": QuantizeOptions(),
    "compact": QuantizeOptions(profile="compact"),
    "int4 split": QuantizeOptions(weights="int4", accumulate="split", activations="int16"),
}


def check(model: Model, options: str, target: str, steps: int = 9) -> None:
    data, chosen = sequences(model), load_target(target)
    if options == "float32":
        program = compile_float32(model, chosen).program
    else:
        program = compile_model(model, data, chosen, OPTIONS[options]).program
    short = {"x": data.sequences[0]["x"][:steps]}
    report = verify(program, [short], stress_steps=steps)
    assert report.agrees, report.to_json()


@pytest.mark.parametrize("options", [*OPTIONS, "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_and_format_on_the_host(name: str, options: str) -> None:
    check(MODELS[name](), options, "host", 14)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("target", "options"), [("cortex-m4", "accurate"), ("atmega2560", "compact")]
)
def test_every_model_on_emulated_targets(name: str, target: str, options: str) -> None:
    check(MODELS[name](), options, target)


@pytest.mark.full
@pytest.mark.parametrize("options", [*OPTIONS, "float32"])
@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4", "rv32imc", "atmega2560"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_on_every_target(name: str, target: str, options: str) -> None:
    check(MODELS[name](), options, target)


def test_steps_without_output_return_one_and_an_early_finish_an_error(tmp_path: Path) -> None:
    m = Maker(4, 2)
    m.conv("a", "x", 2, 3, stride=2)
    m.reduce("mean", "a", "mean")
    model = m.model("a", "mean")
    program = compile_model(
        model, sequences(model), load_target("host"), OPTIONS["accurate"]
    ).program
    emit(program, tmp_path)
    x = program.inputs[0].format.quantize(sequences(model).sequences[0]["x"])
    early, late = run_sequences(
        tmp_path, program.interface(), program.target, [{"x": x[:2]}, {"x": x[:7]}]
    )
    assert (early.codes.tolist(), early.final_code) == ([1, 1], -5)
    assert (late.codes.tolist(), late.final_code) == ([1, 1, 0, 1, 0, 1, 0], 0)
    header = (tmp_path / f"{program.name}.h").read_text()
    for text in ("at steps 2, 4, 6, ...", "_ERROR_EARLY = -5", "size_t *rows"):
        assert text in header


def test_bench_counts_a_step_at_which_every_clock_is_due() -> None:
    model = every_step()
    program = compile_float32(model, load_target("cortex-m4")).program
    found = bench(program, [sequences(model).sequences[0]]).measured
    assert found.step.instructions > found.step_least.instructions
    assert np.all(np.array(found.step.stage_instructions) > 0)
