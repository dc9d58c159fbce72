"""Flash above 64 KB on AVR: the same bits wherever constants fall, or an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from building import Build, Built, run_main
from drafts import recurrent
from far_flash import BORDER, arrays, borders, keeping, linked, mismatch, moved
from fixed import EXACT_OPTIONS, draft_of, finished, single

from rnn2c.budget import budget
from rnn2c.emit.units import whole_stages
from rnn2c.pipeline import RawScale
from rnn2c.target import LEVELS
from rnn2c.validate.emulator import run_elf
from rnn2c.validate.measure import measure
from rnn2c.validate.runner import HARNESS_FLASH
from rnn2c.validate.verify import verify

CORES = ("atmega2560", "atmega1284p")
FORMS = ("compact", "int8", "compact int4", "compact ternary", "int4 overlapped", "int16 split")


def small(build: Build, core: str, level: str, options: str = "compact", most: int = 0) -> Built:
    case = single("one", "gru", EXACT_OPTIONS[options], units=6)
    return build(case, keeping(core, most), level=level)


def check_at(made: Built, out: Path, before: int, odd: bool) -> str:
    """The model moved so far computes the same; the array that the border cuts."""
    out.mkdir()
    sequences = made.sequences(2)[:2]
    at = moved(made.program, made.folder, out / "model", before, odd)
    elf = linked(made.program, at, out / "elf", sequences)
    (cut,) = (a for a in arrays(elf, made.name) if a.address < BORDER < a.address + a.bytes)
    assert cut.address % 2 == odd
    assert mismatch(made.program, run_elf(made.target, elf), sequences) is None, before
    return cut.name


def check_borders(made: Built, tmp_path: Path, odd: bool) -> None:
    """Every array of the model, cut by the border in its middle."""
    for name, before in borders(made.program, made.folder, tmp_path / "borders").items():
        assert check_at(made, tmp_path / f"{name}", before, odd) == name


def test_the_border_may_cut_any_array(build: Build, tmp_path: Path) -> None:
    made = small(build, "atmega2560", "speed")
    assert whole_stages(made.program)
    check_borders(made, tmp_path, odd=True)


@pytest.mark.full
@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("options", FORMS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("core", CORES)
def test_the_border_may_cut_any_array_of_any_form(
    core: str, level: str, options: str, odd: bool, build: Build, tmp_path: Path
) -> None:
    check_borders(small(build, core, level, options), tmp_path, odd)


@pytest.mark.parametrize(
    ("cell", "options", "inputs"), [("lstm", "compact", 70), ("gru", "int8", 128)]
)
def test_weights_with_more_bytes_than_one_array_may_have(
    cell: str, options: str, inputs: int, build: Build
) -> None:
    """They are in two arrays, the border between them where a unit ends."""
    case = single("one", cell, EXACT_OPTIONS[options], units=63, inputs=inputs)
    made = build(case, "atmega2560")
    assert "one_cell_weights_part2[" in made.text()
    assert verify(made.program, made.folder, made.sequences(1), checks=False).bit_exact
    got = measure(made.folder, made.program.interface(), made.target, made.sequences(1)[0])
    assert got.flash.weights == budget(made.program).weights


CALLS = """
static int codes[4];
static one_state_t state;
static one_x_t x[ONE_X_SIZE];
static one_logits_t logits[ONE_LOGITS_SIZE];
static one_label_t label[ONE_LABEL_SIZE];
"""
CODES = """
    int16_t raw[ONE_X_SIZE] = {0};
    codes[0] = one_init(&state);
    codes[1] = one_from_raw(raw, x);
    codes[2] = one_step(&state, x);
    codes[3] = one_finish(&state, logits, label);
    say_hex(codes, sizeof codes);
"""


@pytest.mark.parametrize("core", CORES)
def test_near_constants_are_refused_where_pointers_do_not_reach(
    core: str, build: Build, tmp_path: Path
) -> None:
    """Every call says so as soon as the last byte of the last array is too far."""
    raw = RawScale((0.01,), (0.0,))
    case = single("one", "gru", EXACT_OPTIONS["compact"], units=6, raw=raw)
    made = build(case, keeping(core, 1 << 15))

    def at(before: int) -> Built:
        out = tmp_path / f"at{before}"
        return replace(made, folder=moved(made.program, made.folder, out, before))

    assert run_main([at(0)], CALLS, CODES, tmp_path)[0] == 4 * "0000"
    last = arrays(tmp_path / "program.elf", made.name)[-1]
    most = (BORDER - last.address - last.bytes) & -2
    for beyond, code in (0, "0000"), (2, "faff"):
        assert run_main([at(most + beyond)], CALLS, CODES, tmp_path)[0] == 4 * code


def deep(build: Build, core: str, level: str) -> Built:
    """A model of about 90 KB in five layers."""
    draft = draft_of(5, 1.0)
    draft.input("x", 9)
    for k in range(5):
        recurrent(draft, f"gru{k}", "gru", 58)
    draft.show("y")
    return build(finished(draft, "one", EXACT_OPTIONS["compact"], None), core, level=level)


@pytest.mark.full
@pytest.mark.parametrize("level", ["size", "balanced", "speed"])
@pytest.mark.parametrize("core", CORES)
def test_a_model_of_90_kilobytes(core: str, level: str, build: Build, tmp_path: Path) -> None:
    made = deep(build, core, level)
    need = budget(made.program)
    assert need.constants > 90_000
    assert verify(made.program, made.folder, made.sequences(2)).bit_exact
    got = measure(made.folder, made.program.interface(), made.target, made.sequences(2)[0])
    assert got.flash.total <= need.flash
    assert got.stack_bytes <= need.stack
    assert made.target.limits is not None
    room = min(BORDER, made.target.limits.flash_bytes - need.flash - HARNESS_FLASH)
    places = range(0, room, room // 6 | 1)
    for before in places:
        check_at(made, tmp_path / f"{before}", before, odd=before % 2 == 1)
