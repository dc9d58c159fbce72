"""Every body that a target gives a primitive computes what arith.py says, proven over its contract.

z3 finds no arguments for which the two differ, a result leaves its type, an index its table, or
RNN2C_KNOWN says what is not so.  Tests in emulators run the same bodies on samples, and those of
AVR, whose instructions are not known here, on more of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
import z3
from own_bodies import Body
from primitive_cases import GATE, I16, I32, U16
from terms import TableTerm, Term, Terms, Value, computed

from rnn2c.arith_tree import Function, tree
from rnn2c.data import templates_dir
from rnn2c.emit.kernels import SPECIAL, armv7m, own_body, special
from rnn2c.ir.program import Call

SECONDS = 60
Span = tuple[int, int] | int | TableTerm
WORDS = TableTerm("words", 256, *I32, knots=True)
DIRECT = TableTerm("entries", 512, *I16)
HALF_OF_KNOTS = TableTerm("knots", 129, *I16, rises=True)
HALF_OF_ENTRIES = TableTerm("entries", 257, *I16, rises=True)
TOTAL = (0, 32767)

CONTRACTS: dict[str, list[tuple[Span, ...]]] = {
    "sat8": [(I32,)],
    "sat16": [(I32,)],
    "high_round": [(I32, I32)],
    "gated_sum": [(GATE, I16, GATE, I16, shift) for shift in range(12)],
    "blend": [(I16, I16, GATE)],
    "lut": [(WORDS, I16)],
    "look": [(DIRECT, (-256, 255), 256)],
    "lut_half": [(HALF_OF_KNOTS, I16, TOTAL)],
    "look_half": [(HALF_OF_ENTRIES, (-256, 255), TOTAL)],
    "clamp": [(I32, -half, half - 1) for half in (2**k for k in range(1, 32))],
    "shift_sat": [(I32, shift, bits) for shift in range(32) for bits in range(2, 17)],
    "requantize_wide": [(I32, U16, shift) for shift in range(1, 47)],
}
"""The arguments of each, as its docstring says; numbers where the compiler fixes them."""

BODIES = sorted(p for p in templates_dir().glob("*/arith/*.c") if "avr" not in p.parts[-3])
IDS = [f"{p.parts[-3]} {p.stem}" for p in BODIES]


def disproved(function: Function, lines: Sequence[str], contract: tuple[Span, ...]) -> str:
    """Arguments for which a body does not compute the primitive; "" if there are none."""
    terms = Terms()
    arguments = tuple(
        span if isinstance(span, TableTerm)
        else terms.unknown(name, *((span, span) if isinstance(span, int) else span))
        for (name, _), span in zip(function.parameters, contract, strict=True)
    )  # fmt: skip
    _about_halves(terms, arguments)
    _about_products(terms, function, arguments)
    wanted = computed(terms, function, arguments)
    terms.needs.clear()  # of arith.py: what ranges.py proves
    got = Body(terms, function, arguments).run(lines)
    return counterexample(terms.facts, z3.And(got.z == wanted.z, *terms.needs))


def counterexample(facts: Sequence[z3.BoolRef], goal: z3.BoolRef) -> str:
    """Numbers for which the facts hold and the goal does not; "" if there are none."""
    solver = z3.Solver()
    solver.set("timeout", 1000 * SECONDS)
    solver.add(*facts, z3.Not(goal))
    verdict = solver.check()
    if verdict == z3.unsat:
        return ""
    return str(solver.model()) if verdict == z3.sat else "not decided"


def _about_halves(terms: Terms, arguments: tuple[Term | TableTerm, ...]) -> None:
    """The middle entry of a table stored as a half is half the total, rounded up."""
    match arguments:
        case TableTerm(rises=True) as table, _, Term() as total:
            middle = terms.read(table, terms.number(0))
            terms.facts.append(middle.z == (total.z + 1) / 2)


def _about_products(terms: Terms, function: Function, arguments: Sequence[Value]) -> None:
    """A product is the sum of those of the halves of a factor."""
    match function.name, arguments:
        case "requantize_wide", (Term() as acc, Term() as m, _):
            high, low = terms.down(acc, terms.number(16)), Term(acc.z % 65536, 0, 65535)
            whole = 65536 * terms.times(high, m).z + terms.times(low, m).z
            terms.facts.append(terms.times(acc, m).z == whole)


def proven(name: str, lines: Sequence[str]) -> None:
    for contract in CONTRACTS[name]:
        assert disproved(tree(name), lines, contract) == ""


@pytest.mark.parametrize("path", BODIES, ids=IDS)
def test_a_body_of_its_own_computes_the_primitive_for_all_arguments(path) -> None:
    proven(path.stem, path.read_text(encoding="ascii").splitlines())


def specials() -> Iterator[tuple[str, tuple[Span, ...], tuple[str, ...]]]:
    for kernels in SPECIAL.keys() - {"avr"}:
        for name, contracts in CONTRACTS.items():
            for contract in contracts:
                call = Call("v", name, tuple(a if isinstance(a, int) else "x" for a in contract))
                if own := special(kernels, call, "i32"):
                    yield name, contract, own.body


def test_functions_for_given_literals_compute_the_primitive_for_all_arguments() -> None:
    found = set(specials())
    counts = {"clamp": 31 + 30, "shift_sat": 2 * 32 * 15, "requantize_wide": 30}
    assert Counter(name for name, _, _ in found) == counts
    for name, contract, lines in found:
        assert disproved(tree(name), lines, contract) == ""


@pytest.mark.parametrize("primitive", ["requantize", "requantize_wide"])
def test_high_round_requantizes_with_a_multiplier_shifted_up(primitive: str) -> None:
    """Kernels finish a sum so, whether it has been raised by a power of two or not."""
    for shift, up in ((s, u) for s in range(17, 25) for u in range(9) if s + u <= 32):
        assert _requantizes(primitive, shift, up, 32 - shift - up) == ""
    assert _requantizes(primitive, 20, 0, 11) != ""


def _requantizes(primitive: str, shift: int, up: int, left: int) -> str:
    """Numbers for which it does not: the sum times 2^up, the multiplier times 2^left."""
    t = Terms()
    span = I32 if primitive == "requantize_wide" else (1 - 2**23, 2**23 - 1)
    acc, m = t.unknown("acc", *span), t.unknown("m", *U16)
    wanted = computed(t, tree(primitive), (acc, m, t.number(shift)))
    raised, moved = (t.times(a, t.number(2**n)) for a, n in ((acc, up), (m, left)))
    got = computed(t, tree("high_round"), (raised, moved))
    high, low = t.down(acc, t.number(8)), t.both(acc, t.number(255))
    whole, parts = t.times(acc, m).z, 256 * t.times(high, m).z + t.times(low, m).z
    laws = [t.times(raised, moved).z == 2 ** (up + left) * whole, whole == parts]
    return counterexample([*t.facts, *laws], got.z == wanted.z)


def test_two_instructions_of_cortex_m3_are_high_round() -> None:
    """SMULL gives the product in two words: the lower one unsigned, its highest bit rounds."""
    assert armv7m.high_round("sum", "word") == [
        "smull word, sum, sum, word",
        "add sum, sum, word, lsr #31",
    ]
    t = Terms()
    a, b = t.unknown("sum", *I32), t.unknown("word", *I32)
    product = t.times(a, b)
    lower, upper = product.z % 2**32, product.z / 2**32
    wanted = computed(t, tree("high_round"), (a, b))
    assert counterexample(t.facts, upper + lower / 2**31 == wanted.z) == ""
    assert counterexample(t.facts, upper + lower / 2**30 == wanted.z) != ""


def test_the_rows_of_a_word_come_apart() -> None:
    """S = 256 a + b and B = b, each modulo 2^32: (S - B) / 256 is a below 2^23."""
    a, b = z3.BitVecs("a b", 32)
    upper = (256 * a + b - b) >> 8
    small = [a > -(2**23), a < 2**23]
    assert counterexample(small, upper == a) == ""
    assert counterexample([a > -(2**23), a <= 2**23], upper == a) != ""


MUTANTS_OF_M0 = [
    ("sat8", "sxtb %0", "sxth %0"),
    ("sat8", '"l"(127)', '"l"(128)'),
    ("sat16", "cmp %0, %1", "cmp %0, %2"),
    ("sat16", "asrs %0, %1, #31", "asrs %0, %1, #30"),
    ("lut", "+ 128", "+ 127"),
    ("lut", "sxth %0, %1", "asr %0, %1, #16"),
]
MUTANTS = [
    ("sat8", "#8", "#7"),
    ("sat8", ">= -128", ">= -127"),
    ("high_round", "smmulr %0, %1, %2", "smlabb %0, %1, %2, %1"),
    ("gated_sum", "16384", "16383"),
    ("gated_sum", "asr #15", "asr #14"),
    ("gated_sum", "(int32_t)c", "(int32_t)f"),
    ("blend", "16384", "16383"),
    ("blend", "<= 32767", "<= 32766"),
    ("look", "lsl #1", "lsl #2"),
    ("look_half", "- sign]", "]"),
    ("lut", "#8", "#7"),
    ("lut", "[128]", "[127]"),
    ("lut", "=&r", "=r"),
    ("lut", "word >> 8)", "word >> 9)"),
    ("lut", "<= 32767", "<= 32766"),
    ("lut_half", "place + 1", "place + 2"),
    ("lut_half", "(slope >> 8)", "0"),
    ("lut_half", "place - 1", "place - 2"),
    ("lut_half", "total & sign & ", "total & "),
]


@pytest.mark.parametrize(
    ("variant", "name", "old", "new"),
    [*(("dsp", *m) for m in MUTANTS), *(("armv6-m", *m) for m in MUTANTS_OF_M0)],
)
def test_a_wrong_body_is_not_proven(variant: str, name: str, old: str, new: str) -> None:
    text = "\n".join(own_body((variant, "armv7-m"), name))
    assert old in text
    with pytest.raises(AssertionError):
        proven(name, text.replace(old, new).splitlines())


@pytest.mark.parametrize(
    ("old", "new"), [("+ 1", "+ 0"), ("low >> 16", "low >> 17"), (">> 3", ">> 2")]
)
def test_a_wrong_body_for_given_literals_is_not_proven(old: str, new: str) -> None:
    own = special("armv6-m", Call("v", "requantize_wide", ("acc", "multiplier", 20)), "i32")
    assert own is not None
    lines = [line.replace(old, new) for line in own.body]
    assert lines != list(own.body)
    assert disproved(tree("requantize_wide"), lines, (I32, U16, 20)) != ""
