"""What the header says about flash, RAM and stack holds on the target.

The constants of [estimate] in targets/*.toml were fitted to measurements of the fixed models, the
five cells in three number formats and four random models, on every target: the sum base + a * calls
+ b * sums of least mean excess that is at least 1.2 times the code of each, and a stack of at least
1.25 times the deepest one seen.  A compiler or a template that needs more than that fails here.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from building import Build, Built
from drafts import recurrent
from fixed import EXACT_OPTIONS, ZOOS, draft_of, finished, single, zoo_case
from models import CELLS, Case

from rnn2c.budget import budget
from rnn2c.target import Level, list_targets, load_target
from rnn2c.validate.counters.sizes import split_flash
from rnn2c.validate.measure import Measurement, measure
from rnn2c.validate.sizes import object_sizes

TARGETS = ("cortex-m4", "cortex-m3", "cortex-m0plus", "atmega328p", "rv32imc")
SMALL = {
    "small lstm": lambda: single("one", "lstm", EXACT_OPTIONS["int4"], units=13),
    "small relu": lambda: single("one", "relu", EXACT_OPTIONS["compact"], units=1, inputs=1),
}
MODELS = (*ZOOS, *SMALL)


def model(name: str) -> Case:
    return SMALL[name]() if name in SMALL else zoo_case(name)


def measured(made: Built) -> Measurement:
    sequence = made.sequences(3)[0]
    interface = made.program.interface()
    return measure(made.folder, interface, made.target, sequence)


def check(made: Built) -> None:
    got, bound = measured(made), budget(made.program)
    code = got.flash.code + got.flash.other
    assert code <= bound.code
    assert got.flash.total <= bound.flash
    constants = got.flash.weights + got.flash.tables
    assert constants <= bound.constants  # a compiler may fold a constant array into the code
    assert got.stack_bytes <= bound.stack
    assert (got.ram.state, got.ram.static) == (bound.ram, 0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("target", TARGETS)
def test_bounds_of_code_stack_and_state(target: str, name: str, build: Build) -> None:
    check(build(model(name), target))


@pytest.mark.parametrize(
    ("target", "level"), [(t, level) for t in TARGETS for level in load_target(t).levels]
)
def test_bounds_of_one_layer_and_of_six(target: str, level: Level, build: Build) -> None:
    roomy = replace(load_target(target), limits=None)
    for count in (1, 6):
        draft = draft_of(count, 1.0)
        draft.input("x", 9)
        for k in range(count):
            recurrent(draft, f"gru{k}", "gru", 16)
        draft.show("y")
        case = finished(draft, f"deep{count}", EXACT_OPTIONS["int8"], None)
        made = build(case, roomy, folder=case.model.name, level=level)
        got = split_flash([object_sizes(made.compiled(made.folder))])
        assert got.code + got.other <= budget(made.program).code


@pytest.mark.full
@pytest.mark.parametrize("options", EXACT_OPTIONS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("target", [t.name for t in list_targets() if t.emulator.kind != "native"])
def test_bounds_of_every_cell_and_option(
    target: str, cell: str, options: str, build: Build
) -> None:
    check(build(single("one", cell, EXACT_OPTIONS[options], units=13), target))


@pytest.mark.parametrize("target", TARGETS)
def test_a_bound_is_of_use(target: str, build: Build) -> None:
    """No more than twice what a model of usual size needs."""
    made = build(zoo_case("compact hot"), target)
    got, bound = measured(made), budget(made.program)
    assert bound.code < 2 * (got.flash.code + got.flash.other)
    assert bound.stack < 4 * got.stack_bytes


@pytest.mark.parametrize("target", ["cortex-m4", "atmega328p"])
def test_the_header_says_what_was_computed(target: str, build: Build) -> None:
    made = build(zoo_case("accurate"), target)
    bound, header = budget(made.program), made.text(".h")
    said = re.search(
        r"Flash +(\d+) bytes of constants \((\d+) weights, (\d+) tables\), at most (\d+) bytes of"
        r" code[^/]*RAM +(\d+) bytes[^/]*\((\d+) state, (\d+) scratch\)"
        r"[^/]*Stack +at most (\d+) bytes[^/]*Work +(\d+) multiply",
        header,
    )
    assert said is not None
    flash = (bound.constants, bound.weights, bound.tables, bound.code)
    ram = (bound.ram, bound.state, bound.scratch, bound.stack)
    assert tuple(map(int, said.groups())) == (*flash, *ram, made.program.macs)
