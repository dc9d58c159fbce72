"""measure() on a small model in C whose costs are known, on every target that is emulated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn2c.errors import Rnn2cError
from rnn2c.ir.interface import Interface, Port
from rnn2c.target import Target, list_targets, load_target
from rnn2c.validate.counters.sizes import SymbolRule
from rnn2c.validate.measure import Measurement, measure

INTERFACE = Interface(
    name="net",
    model_id=0x12345678,
    inputs=(Port("x", "int8_t", 3), Port("h0", "int8_t", 2, "sequence")),
    outputs=(Port("y", "int16_t", 2), Port("label", "uint8_t", 1, "sequence")),
    saved=(Port("h", "int16_t", 2),),
    stages=("first", "second"),
)
SEQUENCE = {"x": np.arange(15, dtype=np.int64).reshape(5, 3)}
Pair = tuple[Measurement, Measurement]
TARGETS = [target.name for target in list_targets() if target.emulator.kind != "native"]

HEADER = """
#ifndef NET_H
#define NET_H
#include <stddef.h>
#include <stdint.h>
#define NET_X_SIZE 3
#define NET_H0_SIZE 2
#define NET_Y_SIZE 2
#define NET_LABEL_SIZE 1
#define NET_SAVE_SIZE 8
#define NET_MODEL_ID 0x12345678u
typedef int8_t net_x_t;
typedef int8_t net_h0_t;
typedef int16_t net_y_t;
typedef uint8_t net_label_t;
typedef struct { int16_t h[2]; uint16_t steps; } net_state_t;
int net_init(net_state_t *s, const net_h0_t h0[NET_H0_SIZE]);
int net_step(net_state_t *s, const net_x_t x[NET_X_SIZE], net_y_t y[NET_Y_SIZE]);
int net_finish(const net_state_t *s, net_label_t label[NET_LABEL_SIZE]);
#endif
"""
SOURCE = """
#include "net.h"
#ifdef __AVR__
#include <avr/pgmspace.h>
#define FLASH PROGMEM
#define READ(a) ((int8_t)pgm_read_byte(&(a)))
#else
#define FLASH
#define READ(a) (a)
#endif
#ifndef RNN2C_STAGE_END
#define RNN2C_STAGE_END(stage)
#endif

static const int8_t net_dense_weights[6] FLASH = {1, -2, 3, -4, 5, -6};
static const int8_t net_tanh_table[11] FLASH = {7, 8, 9};

__attribute__((noinline)) static int16_t deep(int16_t value)
{
    volatile int16_t frame[FRAME];
    uint16_t k;
    for (k = 0; k < FILL; k++) { /* from the lowest address up */
        frame[k] = value;
    }
    return frame[1];
}

int net_init(net_state_t *s, const net_h0_t h0[NET_H0_SIZE])
{
    uint8_t k;
    for (k = 0; k < 2; k++) {
        s->h[k] = h0 != NULL ? h0[k] : 0;
    }
    s->steps = 0;
    return 0;
}

int net_step(net_state_t *s, const net_x_t x[NET_X_SIZE], net_y_t y[NET_Y_SIZE])
{
    uint8_t j;
    uint8_t k;
    for (j = 0; j < 2; j++) {
        int16_t sum = 0;
        for (k = 0; k < 3; k++) {
            sum = (int16_t)(sum + READ(net_dense_weights[3 * j + k]) * x[k]);
        }
        s->h[j] = deep(sum);
    }
    __asm__ volatile(".rept " FIRST "\\n nop\\n .endr" ::: "memory");
    RNN2C_STAGE_END(0);
    y[0] = (int16_t)(s->h[0] + READ(net_tanh_table[(uint8_t)s->h[1] & 7u]));
    y[1] = s->h[1];
    s->steps++;
    __asm__ volatile(".rept " SECOND "\\n nop\\n .endr" ::: "memory");
    RNN2C_STAGE_END(1);
    return RESULT;
}

int net_finish(const net_state_t *s, net_label_t label[NET_LABEL_SIZE])
{
    label[0] = s->h[0] > s->h[1];
    return 0;
}
"""


def emit(
    folder: Path, *, first: int = 10, second: int = 20, frame: int = 40, fill: int = 40,
    result: str = "0",
) -> None:  # fmt: skip
    """Write the model: nops in both stages, int16 in a frame and how many are written, result."""
    constants = {
        "FIRST": f'"{first}"', "SECOND": f'"{second}"', "FRAME": frame, "FILL": fill,
        "RESULT": result,
    }  # fmt: skip
    lines = "".join(f"#define {name} {value}\n" for name, value in constants.items())
    (folder / "net.h").write_text(HEADER)
    (folder / "net.c").write_text(lines + SOURCE)


def measured(folder: Path, target: Target, **model: Any) -> Measurement:
    emit(folder, **model)
    return measure(folder, INTERFACE, target, SEQUENCE)


def added(more: tuple[int, ...], base: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(m - b for m, b in zip(more, base, strict=True))


@pytest.fixture(scope="module", params=TARGETS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """One model twice: the second has 7 and 100 nops more and 80 bytes more of stack."""
    target, folder = load_target(request.param), tmp_path_factory.mktemp(request.param)
    return measured(folder, target), measured(folder, target, first=17, second=120, frame=80)


def test_nops_and_their_stages_are_counted_exactly(
    pair: Pair, request: pytest.FixtureRequest
) -> None:
    base, more = pair
    multiplies = load_target(request.node.callspec.params["pair"]).product_instructions == 1
    assert more.step.instructions == base.step.instructions + 107
    assert added(more.step.stage_instructions, base.step.stage_instructions) == (7, 100)
    assert base.step.stage_instructions[1] > 20
    if base.step.cycles is not None:
        assert more.step.cycles == base.step.cycles + 107
        assert added(more.step.stage_cycles, base.step.stage_cycles) == (7, 100)
    assert base.steps == 5
    assert (base.init, base.finish) == (more.init, more.finish)
    assert base.is_constant == multiplies


def test_stages_cost_no_more_than_the_step_and_marks_nothing(pair: Pair) -> None:
    base, _ = pair
    call_and_return = base.step.instructions - sum(base.step.stage_instructions)
    assert 0 <= call_and_return <= 24


def test_a_larger_frame_is_seen_exactly(pair: Pair) -> None:
    shallow, deep = pair
    assert deep.step.stack_bytes == shallow.step.stack_bytes + 2 * (80 - 40)
    assert 2 * 40 <= shallow.step.stack_bytes == shallow.stack_bytes <= 2 * 40 + 48
    assert shallow.init.stack_bytes <= 16


def test_flash_and_ram(pair: Pair) -> None:
    base, more = pair
    assert (base.flash.weights, base.flash.tables) == (6, 11)
    assert (base.ram.state, base.ram.static, base.ram.total) == (6, 0, 6)
    assert base.flash.total == base.flash.code + 17 + base.flash.other
    padding = more.flash.code - base.flash.code - 2 * 107
    assert -4 < padding < 4


@pytest.mark.parametrize("name", ["cortex-m4", "atmega328p"])
def test_per_sequence_inputs_are_passed_on(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    zero = measured(tmp_path, target)
    given = measure(tmp_path, INTERFACE, target, {**SEQUENCE, "h0": np.array([1, 2])})
    assert zero.init.instructions != given.init.instructions
    assert zero.step == given.step


@pytest.mark.parametrize(("name", "static"), [("cortex-m4", 0), ("atmega328p", 6 + 11)])
def test_constants_outside_of_progmem_are_ram_on_avr(
    name: str, static: int, tmp_path: Path
) -> None:
    emit(tmp_path)
    source = tmp_path / "net.c"
    source.write_text(source.read_text().replace("#ifdef __AVR__", "#ifdef NEVER"))
    ram = measure(tmp_path, INTERFACE, load_target(name), SEQUENCE).ram
    assert (ram.state, ram.static, ram.total) == (6, static, 6 + static)


def test_a_step_that_varies_is_reported_with_both_ends(tmp_path: Path) -> None:
    target = load_target("cortex-m4")
    varying = "(s->steps == 3u ? deep(1) - 1 : 0)"
    result = measured(tmp_path, target, result=varying)
    assert not result.is_constant
    assert result.step_least.instructions < result.step.instructions
    assert measured(tmp_path, target).is_constant


def test_the_rule_decides_what_is_a_weight(tmp_path: Path) -> None:
    emit(tmp_path)
    rule = SymbolRule(weights=("net_*",), tables=())
    result = measure(tmp_path, INTERFACE, load_target("cortex-m4"), SEQUENCE, rule=rule)
    assert (result.flash.weights, result.flash.tables) == (17, 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cortex-m4", "net_step 0 has a stack overflow"),
        ("rv32imc", "counting on rv32imc: .*HARDFAULT"),
        ("atmega328p", "counting on atmega328p: .*stack overflow"),
    ],
)
def test_a_stack_overflow_is_an_error(name: str, message: str, tmp_path: Path) -> None:
    frame = 1020 if name == "atmega328p" else 9000
    with pytest.raises(Rnn2cError, match=message):
        measured(tmp_path, load_target(name), frame=frame, fill=frame)


@pytest.mark.parametrize(
    ("result", "message"),
    [("-3", r"net_step 0 returned -3"), ("(s->steps == 2u ? -2 : 1)", r"net_step 1 returned -2")],
)
def test_a_failing_call_is_an_error(result: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Rnn2cError, match=message):
        measured(tmp_path, load_target("cortex-m4"), result=result)


def test_no_output_at_this_step_is_counted(tmp_path: Path) -> None:
    assert measured(tmp_path, load_target("cortex-m4"), result="1").steps == 5


def test_stages_that_do_not_match_the_interface_are_an_error(tmp_path: Path) -> None:
    three = replace(INTERFACE, stages=("a", "b", "c"))
    emit(tmp_path)
    with pytest.raises(Rnn2cError, match="2 stage marks, its interface names 3 stages"):
        measure(tmp_path, three, load_target("cortex-m4"), SEQUENCE)


def test_a_sequence_without_steps_is_an_error(tmp_path: Path) -> None:
    emit(tmp_path)
    empty = {"x": np.zeros((0, 3), np.int64)}
    with pytest.raises(Rnn2cError, match="the sequence has no steps"):
        measure(tmp_path, INTERFACE, load_target("cortex-m4"), empty)


def test_the_machine_itself_counts_nothing(tmp_path: Path) -> None:
    with pytest.raises(Rnn2cError, match="target host: nothing is counted"):
        measured(tmp_path, load_target("host"))
