"""What does not fit a target is refused with needed, available and excess bytes and an advice."""

from __future__ import annotations

import dataclasses
import re

import pytest
from core_models import cell_model, classifier, program

from rnn2c.budget import budget, buffer_bytes, check_fits, struct_bytes
from rnn2c.errors import TooLargeError
from rnn2c.ir.program import Buffer, Program
from rnn2c.target import load_target

AVR = load_target("atmega328p")


def limited(p: Program, **limits: int) -> Program:
    target = dataclasses.replace(p.target, limits=dataclasses.replace(AVR.limits, **limits))
    return dataclasses.replace(p, target=target)


def buffer(name: str, type_: str, size: int, **more: object) -> Buffer:
    return Buffer(name, type_, size, "state", "", 0, 1, **more)


def test_weights_and_tables_are_exact():
    p = program(cell_model("gru"), AVR, profile="compact")
    need = budget(p)
    constants = {"u8": 1, "i8": 1, "i16": 2, "u16": 2, "i32": 4}
    bias = next(c for c in p.consts if c.name == "rnn_bias")
    assert need.weights == 5 * (3 * 3 + 3 * 5) + constants[bias.type] * 20
    assert need.tables == 256 * (1 + 2 + 1)
    assert need.constants == need.weights + need.tables
    assert need.flash == need.constants + need.code


@pytest.mark.parametrize(
    ("members", "alignment", "size"),
    [
        ((buffer("h", "i8", 5, twice=True), buffer("c", "i16", 5)), 8, 22),
        ((buffer("h", "i8", 5, twice=True), buffer("c", "i16", 5)), 1, 21),
        ((buffer("t", "i32", 1), buffer("c", "i16", 1)), 8, 8),
        ((buffer("h", "i8", 3),), 8, 3),
        ((), 8, 1),
    ],
)
def test_the_state_struct_has_padding_and_an_index_byte(members, alignment: int, size: int):
    assert struct_bytes(members, any(b.twice for b in members), alignment) == size


def test_a_buffer_with_two_copies_counts_twice():
    assert buffer_bytes(buffer("c", "i16", 5)) == 10
    assert buffer_bytes(buffer("c", "i16", 5, twice=True)) == 20


def test_what_fits_passes():
    check_fits(program(classifier("gru"), AVR, profile="compact"))
    check_fits(program(classifier("gru"), "host"))


def test_too_little_flash_says_what_ram_is_needed_too():
    p = program(cell_model("gru", units=40), AVR, profile="compact")
    need = budget(p)
    short = limited(p, flash_bytes=need.flash - 100, ram_bytes=99)
    with pytest.raises(TooLargeError, match=f"would fit; RAM needed {need.ram + need.stack} of 99"):
        check_fits(short)


def test_too_little_flash_is_refused_with_the_excess_and_an_advice():
    p = program(cell_model("gru", units=40), AVR, profile="compact")
    need = budget(p)
    short = limited(p, flash_bytes=need.flash - 100)
    with pytest.raises(TooLargeError, match="100 too many; --weights int4 would fit") as caught:
        check_fits(short)
    text = str(caught.value)
    assert f"needs about {need.flash} bytes of flash ({need.weights} weights" in text
    assert f"atmega328p has {need.flash - 100}" in text


@pytest.mark.parametrize(
    ("share", "advice"),
    [(0.7, r"about \d\d % of the units would fit"), (1.5, "choose a target with more flash")],
)
def test_the_advice_depends_on_how_much_is_missing(share: float, advice: str):
    p = program(cell_model("gru", units=40), AVR, profile="compact")
    need = budget(p)
    with pytest.raises(TooLargeError, match=advice):
        check_fits(limited(p, flash_bytes=need.flash - int(share * need.weights)))


def test_too_little_ram_is_refused_with_the_excess():
    p = program(cell_model("lstm"), AVR, profile="compact")
    need = budget(p)
    available = need.ram + need.stack - 7
    with pytest.raises(TooLargeError, match="7 too many; use fewer units or int8") as caught:
        check_fits(limited(p, ram_bytes=available))
    assert f"needs {need.ram} bytes of RAM" in str(caught.value)
    assert f"atmega328p has {available}" in str(caught.value)
    check_fits(limited(p, ram_bytes=need.ram + need.stack))


def test_constants_beyond_near_pointers_are_refused():
    p = program(cell_model("gru"), AVR, profile="compact")
    need = budget(p).constants
    with pytest.raises(TooLargeError, match=rf"has {need} bytes of constants.* reach {need - 1};"):
        check_fits(limited(p, constant_bytes=need - 1))


def test_an_array_beyond_the_largest_object_is_refused_by_name():
    p = program(cell_model("gru"), AVR, profile="compact")
    message = "the weights 'rnn_weights' have 120 bytes, one array on atmega328p may have 119"
    with pytest.raises(TooLargeError, match=message):
        check_fits(limited(p, object_bytes=119))


def test_a_refusal_is_one_line():
    p = program(cell_model("gru"), AVR, profile="compact")
    with pytest.raises(TooLargeError) as caught:
        check_fits(limited(p, flash_bytes=10))
    assert re.fullmatch(r"[^\n]+", str(caught.value))
