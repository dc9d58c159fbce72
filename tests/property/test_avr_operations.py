"""The operations of whole stages on AVR compute what arith.py does, in cycles that never vary."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from avr_core import Core

from rnn2c import arith
from rnn2c.emit.kernels.avr_operations import UPPER
from rnn2c.emit.units.bank import Bank
from rnn2c.emit.units.operations import OPERATIONS, lines_of, narrowed
from rnn2c.ir.program import Call, Table

EDGES = (-32768, -32767, -16385, -16384, -8193, -8192, -257, -256, -255, -129, -128, -1, 0)
WORDS = (*EDGES, *(-1 - e for e in EDGES))
OCTETS = (0, 1, 2, 127, 128, 129, 254, 255)
MANY = 400
ENTRIES = np.random.default_rng(5).integers(0, 256, 256)
BASE = np.random.default_rng(6).integers(-4096, 4096, 256)
TABLES = {
    "entries": ENTRIES.tolist(),
    "base": [octet for value in BASE.tolist() for octet in (value & 255, (value >> 8) & 255)],
}
NAMES = ("a", "b", "c")


def numbers(kind: str, rng: np.random.Generator) -> list[int]:
    """Edges and random numbers of a type, the latter of any size."""
    if kind == "u8":
        return [*OCTETS, *rng.integers(0, 256, MANY).tolist()]
    bits = {"i8": 7, "i16": 15, "i24": 23, "i15": 14}[kind]
    some = rng.integers(-(2**bits), 2**bits, MANY) >> rng.integers(0, bits, MANY)
    edges = (*WORDS, *(2 * w for w in WORDS), -(2**bits), 2**bits - 1)
    return [*(e for e in edges if -(2**bits) <= e < 2**bits), *some.tolist()]


def octets_of(kind: str) -> int:
    return {"u8": 1, "i8": 1, "i15": 2, "i16": 2, "i24": 3}[kind]


def value_in(core: Core, registers: tuple[str, ...], kind: str) -> int:
    octets = [core.r[int(r[1:])] for r in registers]
    value = sum(o << (8 * k) for k, o in enumerate(octets))
    top = 1 << (8 * len(octets))
    return value - top if kind[0] == "i" and value >= top // 2 else value


def put(core: Core, registers: tuple[str, ...], value: int) -> None:
    for k, r in enumerate(registers):
        core.r[int(r[1:])] = (value >> (8 * k)) & 255


CASES = [
    *[("lut_u8", ("i16",), (Table("entries"),), "u8")],
    *[("lut_slope", ("i16",), (Table("base"), Table("entries")), "i16")],
    *[("mul_u8", ("u8", "i16"), (), "i16"), ("add_sat16", ("i16", "i16"), (), "i16")],
    *[("mul_u8", ("u8", "i8"), (), "i8")],
    *[("clamp", ("i24",), (-1024, 1023), "i16")],
    *[("clamp", (kind,), (0, 127), "i8") for kind in ("i8", "i16", "i24")],
    *[("sat8", (kind,), (), "i8") for kind in ("i16", "i24")],
    *[("sat16", (kind,), (), "i16") for kind in ("i16", "i24")],
    *[("clamp", ("i16",), limits, "i16") for limits in ((-32768, 5), (-300, 32767), (7, 7))],
    *[("blend_u8", ("i15", "i15", "u8"), (), "i16")],
    *[("times", ("i15",), (2,), "i16"), ("shift16", ("i16",), (0,), "i16")],
    *[("shift16", ("i16",), (3,), "i16")],
    *[("round_sat8", ("i15",), (shift,), "i8") for shift in range(1, 8)],
    *[("grow_sat16", (kind,), (shift,), "i16") for shift in range(1, 8) for kind in ("i16", "i24")],
]


@pytest.mark.parametrize("kept", [False, True], ids=["last use", "needed later"])
@pytest.mark.parametrize(("name", "kinds", "literals", "result"), CASES, ids=str)
def test_an_operation_is_that_of_arith(
    name: str, kinds: tuple[str, ...], literals: tuple, result: str, kept: bool
) -> None:
    names = NAMES[: len(kinds)]
    uses = Counter(dict.fromkeys(names, 1 + kept)) + Counter({"out": 1})
    bank = Bank(range(8 if kept else 14, 20), uses, "r20", highs={"out"} if kept else ())
    begin = {}
    for n, kind in zip(names, kinds, strict=True):
        begin[n] = bank.take(octets_of(kind)) if kept else tuple(
            f"r{2 + 3 * NAMES.index(n) + k}" for k in range(octets_of(kind))
        )  # fmt: skip
        bank.put(n, begin[n])
    arguments = (
        (*literals, *names) if literals and isinstance(literals[0], Table) else (*names, *literals)
    )
    lines = lines_of(bank, Call("out", name, arguments))
    rng, cycles = np.random.default_rng(1), set()
    columns = [numbers(kind, rng) for kind in kinds]
    for k in range(max(map(len, columns))):
        given = [column[(7 * s + k) % len(column)] for s, column in enumerate(columns)]
        core = Core(TABLES)
        core.r[20] = 0
        for n, value in zip(names, given, strict=True):
            put(core, begin[n], value)
        core.run(lines)
        cycles.add(core.cycles)
        tables = [
            ENTRIES if t.const == "entries" else BASE for t in literals if isinstance(t, Table)
        ]
        numbers_ = [n for n in literals if not isinstance(n, Table)]
        wanted = getattr(arith, name)(*tables, *given, *numbers_)
        assert value_in(core, bank.read("out"), result) == wanted, given
        if kept:
            assert [
                value_in(core, bank.read(n), k) for n, k in zip(names, kinds, strict=True)
            ] == given
    assert len(cycles) == 1


@pytest.mark.parametrize("only_high", [False, True])
@pytest.mark.parametrize("shift", range(8))
def test_a_sum_of_24_bits_is_shifted_and_saturated(shift: int, only_high: bool) -> None:
    lines, registers = narrowed(("r2", "r3", "r4"), shift, "r16", "r17", "r20", only_high)
    lines = [f"ldi r17, {UPPER}", *lines]
    cycles = set()
    for value in numbers("i24", np.random.default_rng(2)):
        core = Core()
        put(core, ("r2", "r3", "r4"), value)
        core.r[20] = 0
        core.run(lines)
        cycles.add(core.cycles)
        wanted = arith.shift_sat16(value, shift)
        got = value_in(core, registers, "i16")
        assert got >> 8 == wanted >> 8
        assert only_high or got == wanted
    assert len(cycles) == 1


@pytest.mark.parametrize("kind", ["i16", "i24"])
@pytest.mark.parametrize("shift", range(1, 8))
def test_a_sum_that_is_an_index_grows_in_its_upper_byte(shift: int, kind: str) -> None:
    bank = Bank(range(14, 20), Counter({"a": 1, "out": 1}), "r20", {"out"})
    begin = ("r2", "r3", "r4")[: octets_of(kind)]
    bank.put("a", begin)
    lines = lines_of(bank, Call("out", "grow_sat16", ("a", shift)))
    cycles = set()
    for value in numbers(kind, np.random.default_rng(3)):
        core = Core()
        core.r[20] = 0
        put(core, begin, value)
        core.run(lines)
        cycles.add(core.cycles)
        assert value_in(core, bank.read("out"), "i16") >> 8 == arith.grow_sat16(value, shift) >> 8
    assert len(cycles) == 1


def test_every_operation_is_tested() -> None:
    assert {name for name, *_ in CASES} == OPERATIONS.keys()
