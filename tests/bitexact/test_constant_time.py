"""On Cortex-M and AVR a step takes the same number of instructions whatever the input is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from building import Build, Built
from fixed import EXACT_OPTIONS, draft_of, finished, single
from models import Case, random_model

from rnn2c.ir import graph
from rnn2c.pipeline import QuantizeOptions
from rnn2c.target import load_target
from rnn2c.validate.measure import measure
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions

CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33", "cortex-m55", "rv32imc")
LEVELS = ("size", "balanced", "speed")
STEPS = 8


def heads() -> Case:
    """What usually follows a recurrent layer, at every step, but for argmax."""
    draft = draft_of(3, 1.0)
    draft.input("x", 5)
    for number, activation in enumerate(["relu", "tanh", "sigmoid"]):
        draft.linear(f"fc{number}", 5, activation)
    draft.norm("norm")
    draft.linear("logits", 5)
    draft.show("logits")
    draft.add(graph.Softmax(name="softmax", inputs=("logits",)), 5)
    draft.show("probability")
    return finished(draft, "heads", QuantizeOptions(), None)


def varies(made: Built, build: BuildOptions = DEFAULT_BUILD) -> bool:
    """Data as they come, noise, extremes and swings over the whole type, one after the other."""
    sequences = made.sequences(STEPS)
    whole = {
        name: np.concatenate([s[name] for s in sequences]) if array.ndim == 2 else array
        for name, array in sequences[-1].items()
    }
    interface = made.program.interface()
    found = measure(made.folder, interface, made.target, whole, build=build)
    assert found.steps > 20
    return not found.is_constant


def cell(name: str, options: str, gain: float = 1.0) -> Case:
    return single("one", name, EXACT_OPTIONS[options], units=13, gain=gain)


FEW = [
    ("lstm", "int8", "cortex-m0plus", "balanced"),
    ("gru", "int4", "cortex-m0plus", "size"),
    ("gru", "compact", "cortex-m0plus", "balanced"),
    ("lstm", "int16", "cortex-m3", "size"),
    ("gru", "compact", "cortex-m3", "balanced"),
    ("lstm", "int8", "cortex-m4", "balanced"),
    ("gru", "fast", "cortex-m4", "size"),
    ("tanh", "compact", "cortex-m4", "speed"),
    ("lstm", "compact", "cortex-m55", "balanced"),
    ("gru", "int8", "rv32imc", "balanced"),
    ("lstm", "compact", "rv32imc", "size"),
    ("lstm", "compact", "atmega328p", "balanced"),
    ("gru", "compact", "atmega2560", "speed"),
    ("gru", "compact", "atmega2560", "unrolled"),
    ("gru", "compact ternary", "atmega328p", "balanced"),
    ("gru", "compact ternary", "atmega328p", "unrolled"),
    ("gru", "compact ternary", "rv32ec", "balanced"),
    ("lstm", "compact", "rv32ec", "balanced"),
    ("gru", "compact int4", "rv32ec", "balanced"),
]


@pytest.mark.parametrize(("name", "options", "core", "level"), FEW)
def test_a_step_takes_as_many_instructions_for_every_input(
    name: str, options: str, core: str, level: str, build: Build
) -> None:
    assert not varies(build(cell(name, options), core, level=level))


def test_a_step_with_far_constants_does_too(build: Build) -> None:
    far = load_target("atmega2560").without_near
    assert not varies(build(cell("lstm", "compact"), far))


@pytest.mark.parametrize(
    ("name", "options", "level"),
    [
        ("lstm", "compact", "size"),
        ("gru_before", "compact int4", "balanced"),
        ("lstm", "compact ternary", "speed"),
        ("tanh", "compact int4", "unrolled"),
    ],
)
def test_sums_so_coarse_that_they_grow_do_too(
    name: str, options: str, level: str, build: Build
) -> None:
    made = build(cell(name, options, 40.0), "atmega328p", level=level)
    assert "_grow_sat16_" in made.text() or level in ("speed", "unrolled")
    assert not varies(made)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
def test_heads_take_as_many_instructions_for_every_input(core: str, build: Build) -> None:
    assert not varies(build(heads(), core))


def test_conditions_in_operations_would_vary(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn2c.emit.primitives.choice_bodies", lambda _: {})
    assert varies(build(cell("gru", "compact"), "cortex-m0plus"))


@pytest.fixture
def clang(tmp_path: Path) -> str:
    """A compiler that is Clang for Arm, and GCC where it links."""
    script = tmp_path / "clang-for-arm"
    script.write_text(
        "#!/bin/sh\n"
        'case " $* " in *" -c "*) exec clang --target=arm-none-eabi -ffreestanding '
        '-fshort-enums -isystem /usr/lib/arm-none-eabi/include "$@";; esac\n'
        'exec arm-none-eabi-gcc "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
def test_clang_adds_no_branches(core: str, build: Build, clang: str) -> None:
    assert not varies(build(cell("gru", "compact"), core), BuildOptions(clang, "-O2"))


@pytest.mark.full
@pytest.mark.parametrize("flag", ["-O1", "-O2", "-O3", "-Os"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("core", CORES[:4])
def test_no_compiler_and_flag_adds_branches(
    core: str, compiler: str, flag: str, build: Build, clang: str
) -> None:
    options = BuildOptions(clang if compiler == "clang" else None, flag)
    for number, case in enumerate([cell("lstm", "int8"), cell("gru", "compact"), heads()]):
        assert not varies(build(case, core, f"model{number}"), options)


@pytest.mark.full
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("options", EXACT_OPTIONS)
def test_every_cell_and_format(options: str, core: str, level: str, build: Build) -> None:
    for name in ("lstm", "gru", "gru_before", "tanh", "relu"):
        for gain in (1.0, 40.0):
            made = build(cell(name, options, gain), core, f"{name}{gain}", level)
            assert not varies(made), f"{name}, gain {gain}"


@pytest.mark.full
@pytest.mark.parametrize("level", load_target("atmega328p").levels)
@pytest.mark.parametrize("width", ["int32", "int16"])
@pytest.mark.parametrize("options", [n for n, o in EXACT_OPTIONS.items() if o.profile == "compact"])
@pytest.mark.parametrize("core", ["atmega328p", "atmega2560 far"])
def test_every_cell_and_format_on_avr(
    core: str, options: str, width: Literal["int32", "int16"], level: str, build: Build
) -> None:
    target = load_target(core.split()[0])
    for name in ("lstm", "gru", "gru_before", "tanh", "relu"):
        for gain in (1.0, 40.0):
            plain = cell(name, options, gain)
            case = plain._replace(options=replace(plain.options, sum_width=width))
            chip = target.without_near if "far" in core else target
            made = build(case, chip, f"{name}{gain}", level)
            assert not varies(made), f"{name}, gain {gain}"


@pytest.mark.full
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("seed", range(12))
def test_random_models(seed: int, core: str, build: Build) -> None:
    assert not varies(build(random_model(seed), core))
