"""What every primitive of arith.py is to compute, written down a second time in exact arithmetic.

A Case gives the arguments a primitive may get, as its docstring says, and the exact result as a
function of Python integers.  A shift is a number of the case where the compiler fixes it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np

from rnn2c import lut
from rnn2c.arith_tree import LIMITS

Span = tuple[int, int]
I16, I32, U8, U16 = LIMITS["i16"], LIMITS["i32"], LIMITS["u8"], LIMITS["u16"]
GATE = (0, 32767)

TABLES = {
    "sigmoid_words": lut.sigmoid_words(),
    "tanh_words": lut.tanh_words(),
    "sigmoid_direct": lut.DIRECT["sigmoid"].entries(),
    "tanh_direct": lut.DIRECT["tanh"].entries(),
    "sigmoid_knots": lut.knots_of(lut.sigmoid_words()),
    "tanh_knots": lut.knots_of(lut.tanh_words()),
    "log_knots": lut.knots_of(lut.log_words()),
    "sigmoid_half": lut.half_of(lut.knots_of(lut.sigmoid_words()))[0],
    "tanh_half": lut.half_of(lut.knots_of(lut.tanh_words()))[0],
    "sigmoid_octets": lut.sigmoid_octets(),
    "tanh_q12": lut.tanh_q12(),
    "tanh_q12_slope": lut.tanh_q12_slope(),
    "exp2_words": lut.exp2_words(),
    "reciprocal_guesses": lut.reciprocal_guesses(),
    "root_guesses": lut.root_guesses(),
}


@dataclass(frozen=True)
class Case:
    """Arguments are spans of integers or names of TABLES; `exact` gets integers and lists.

    counted: the samples count through the spans instead of being drawn from them.
    """

    primitive: str
    arguments: tuple[Span | str, ...]
    exact: Callable[..., int]
    counted: bool = False

    def __str__(self) -> str:
        texts = [a if isinstance(a, str) else f"{a[0]}..{a[1]}" for a in self.arguments]
        return f"{self.primitive}({', '.join(texts)})"


def at(value: int) -> Span:
    """A span of one number."""
    return (value, value)


def nearest(value: int, shift: int) -> int:
    """value / 2^shift to the nearest, ties towards +infinity."""
    return floor(Fraction(value, 2**shift) + Fraction(1, 2))


def down(value: int, shift: int) -> int:
    """value / 2^shift, rounded down."""
    return floor(Fraction(value, 2**shift))


def limit(value: int, lo: int, hi: int) -> int:
    return sorted((lo, value, hi))[1]


def sat(value: int, bits: int) -> int:
    return limit(value, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def unpack(word: int) -> tuple[int, int]:
    """Base and slope of a word."""
    base, slope = divmod(int(word), 65536)
    return base, slope - 65536 if slope >= 32768 else slope


def interpolate(word: int, fraction: int) -> int:
    """base + slope * fraction / 256 with the upper slope bits as a rounding term below one."""
    base, slope = unpack(word)
    return floor(base + Fraction(slope * fraction + (slope % 65536) // 256, 256))


def interpolate_half(half: list[int], x: int, total: int) -> int:
    """The same from the knots of x >= 0, by the knots at both ends of a step."""

    def knot(k: int) -> int:
        return int(half[k]) if k >= 0 else total - int(half[-k])

    base, rise = knot(x // 256), knot(x // 256 + 1) - knot(x // 256)
    return floor(base + Fraction(rise * (x % 256) + rise // 256, 256))


def exp2_exact(table: list[int], x: int) -> int:
    octave, rest = divmod(limit(x, 0, 69631), 4096)
    value = interpolate(table[rest // 16], (rest % 16) * 16)
    return nearest(limit(value, 0, 32767), octave)


def reciprocal_exact(x: int, guesses: list[int]) -> int:
    guess = int(guesses[x // 256 - 64])
    error = nearest(2**29 - x * guess, 14)
    return limit(guess + 1 + nearest(guess * error, 15), 16384, 32768)


def half_log2_exact(x: int) -> int:
    return (x.bit_length() - 1) // 2


def root_step_exact(guess: int, x: int) -> int:
    square = min(nearest(guess * guess, 14), 65535)
    error = limit(32768 - nearest(square * x, 15), -4096, 4096)
    return limit(guess + nearest(guess * error, 16), 16384, 32767)


def inverse_root_exact(x: int, half: int, guesses: list[int]) -> int:
    scaled = limit(down(x * 2 ** (30 - 2 * half), 16), 16384, 65535)
    guess = int(guesses[scaled // 1024 - 16])
    return root_step_exact(root_step_exact(guess, scaled), scaled)


def scaled16_exact(x: int, less: int, more: int) -> int:
    shorter = nearest(x, less)
    return sat(sat(shorter, 16) << more, 16)


def gated_exact(f: int, c: int, i: int, g: int, shift: int) -> int:
    return sat(nearest(f * c + down(i * g, shift), 15), 16)


def _cases() -> Iterator[tuple[str, tuple[Span | str, ...], Callable[..., int]]]:
    half, small = (-(2**30), 2**30), (-(2**22), 2**22)
    yield "clamp", (I32, (-40000, 0), (0, 40000)), limit
    yield "sat8", (I32,), lambda x: sat(x, 8)
    yield "sat8", ((-300, 300),), lambda x: sat(x, 8)
    yield "sat16", (I32,), lambda x: sat(x, 16)
    yield "round_shift", (half, (1, 30)), nearest
    yield "same", (I32,), lambda x: x
    yield "add", (half, (-(2**30), 2**30 - 1)), lambda a, b: a + b
    yield "less_times", (half, (1 - 2**15, 2**15 - 1), (-128, 127)), lambda a, t, z: a - t * z
    yield "hold", (I16, I16, (0, 1)), lambda new, old, on: new if on else old
    yield "differs", (I16, I16), lambda a, b: int(a != b)
    for shift in range(17, 25):
        reach = (1 - 2**23, 2**23 - 1)
        yield "requantize", (reach, U16, at(shift)), lambda a, m, s: nearest(a * m, s)
    for shift in (16, 17, 24, 31, 32, 46):
        yield "requantize_wide", (I32, U16, at(shift)), lambda a, m, s: nearest(a * m, s)
    for shift in (1, 8, 15):
        yield (
            "requantize_wide",
            ((-65536, 65536), U16, at(shift)),
            lambda a, m, s: nearest(a * m, s),
        )
    yield "high_round", (I32, I32), lambda a, b: nearest(a * b, 32)
    yield "narrow", ((-(2**40), 2**40), (10, 20)), down
    yield from _tables_stored_small()
    for name in ("sigmoid", "tanh"):
        words, direct = f"{name}_words", f"{name}_direct"
        yield "lut", (words, I16), lambda t, x: interpolate(t[x // 256 + 128], x % 256)
        yield "look", (direct, (-256, 255), at(256)), lambda t, x, zero: int(t[x + zero])
    yield "mul_round", (I16, I16, (1, 30)), lambda a, b, s: nearest(a * b, s)
    yield "gated_sum", (GATE, I16, GATE, I16, (0, 11)), gated_exact
    yield "blend", (I16, I16, GATE), lambda n, h, z: n + nearest(z * (h - n), 15)
    yield "shift_sat16", (I32, (0, 30)), lambda a, s: sat(down(a, s), 16)
    for bits in (2, 8, 9, 10, 16):
        yield "shift_sat", (I32, (0, 15), at(bits)), lambda x, s, b: sat(down(x, s), b)
        yield "shift_sat", ((-70000, 70000), (0, 15), at(bits)), lambda x, s, b: sat(down(x, s), b)
    yield "shift16", (I16, (0, 15)), down
    for shift in (1, 3, 8, 14):
        for span in (I32, (-40000, 40000)):
            yield "grow_sat16", (span, at(shift)), lambda a, s: limit(a << s, -32768, 32768 - 2**s)
    yield "lut_u8", ("sigmoid_octets", I16), lambda t, x: int(t[x // 256 % 256])
    slope = ("tanh_q12", "tanh_q12_slope", I16)
    yield "lut_slope", slope, lambda t, r, x: int(t[x // 256 % 256]) + down(
        int(r[x // 256 % 256]) * (x % 256), 8
    )  # fmt: skip
    yield "mul_u8", (U8, I16), lambda g, x: nearest(g * x, 8)
    yield "add_sat16", (I16, I16), lambda a, b: sat(a + b, 16)
    narrow = (-16384, 16383)
    yield "blend_u8", (narrow, narrow, U8), lambda n, h, z: n + nearest(z * (h - n), 8)
    yield "times", ((-128, 127), (-255, 255)), lambda x, f: x * f
    yield "times", ((-8192, 8191), at(4)), lambda x, f: x * f
    for shift in (1, 5, 7, 14):
        reach = 2**15 - 2 ** (shift - 1) - 1
        yield "round_sat8", ((-reach, reach), at(shift)), lambda x, s: sat(nearest(x, s), 8)
    free = 2**31 - 1 - 32768 * 32767
    affine = (I16, (-32767, 32767), (-free, free), (1, 24))
    yield "affine", affine, lambda r, m, o, s: down(r * m + o, s)
    for span in (I32, (-10, 70000)):
        yield "exp2_down", ("exp2_words", span), exp2_exact
    yield "largest", (I32, I32), max
    yield "smallest", (I32, I32), min
    for most in (9, 2**31 - 2**16):
        yield "divide", ((0, most), (1, 65535)), lambda t, n: floor(Fraction(t, n) + Fraction(1, 2))
    yield "divide", ((0, 1000), (0, 3)), lambda t, n: floor(Fraction(t, max(n, 1)) + Fraction(1, 2))
    yield "subtract", ((-(2**30), 2**30 - 1), half), lambda a, b: a - b
    yield "at_least", (I16, (-32768, 32768), I16), lambda x, least, o: x if x >= least else o
    yield "excess_bit", ((0, 2**31 - 1),), lambda t: int(t >= 2**15)
    yield "excess_bit", ((0, 70000),), lambda t: int(t >= 2**15)
    yield "shift_down", (I32, (0, 30)), down
    yield "reciprocal", ((16384, 32767), "reciprocal_guesses"), reciprocal_exact
    yield "share", (GATE, (16384, 32768), (14, 26)), lambda p, i, s: min(nearest(p * i, s), 32767)
    sums = (-(2**20), 2**20), at(256), (-(2**22), 2**22), (1, 64)
    yield "remainder", sums, lambda t, f, p, c: t * f - p * c
    for span in ((1, 2**31 - 1), (1, 70000)):
        yield "half_log2", (span,), half_log2_exact
    for span in (small, (-(2**29), 2**29)):
        yield "scaled16", (span, (0, 30), (0, 14)), scaled16_exact
    yield "add_square", ((0, 2**30 - 1), I16, (0, 12)), lambda t, x, s: t + nearest(x * x, s)
    yield "root_step", ((16384, 32767), (16384, 65535)), root_step_exact
    for g in (0, 3, 7, 8, 15):
        span = (4**g, min(4 ** (g + 1), 2**31) - 1)
        yield "inverse_root", (span, at(g), "root_guesses"), inverse_root_exact
    yield "nibble", (U8, (0, 1)), lambda b, odd: (down(b, 4 * odd) % 16 + 8) % 16 - 8
    yield "shift_sat16", (small, (0, 9)), lambda a, s: sat(down(a, s), 16)


def _tables_stored_small() -> Iterator[tuple[str, tuple[Span | str, ...], Callable[..., int]]]:
    for name in ("sigmoid", "tanh", "log"):
        yield (
            "lut_knots",
            (f"{name}_knots", I16),
            lambda t, x: interpolate(lut.pack_words(np.array(t))[x // 256 + 128], x % 256),
        )
    for name, total in (("sigmoid", 32767), ("tanh", 0)):
        yield "lut_half", (f"{name}_half", I16, at(total)), interpolate_half
        yield (
            "look_half",
            (f"{name}_half", (-128, 127), at(total)),
            lambda t, x, total: int(t[x]) if x >= 0 else total - int(t[-x]),
        )


CASES = tuple(Case(*c) for c in _cases())


def samples(case: Case, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One array per argument: random, every fifth at a boundary; tables as they are."""
    arrays: list[np.ndarray] = []
    for a in case.arguments:
        if isinstance(a, str):
            arrays.append(TABLES[a])
            continue
        lo, hi = a
        edges = np.clip([lo, lo + 1, -1, 0, 1, hi - 1, hi], lo, hi)
        drawn = rng.integers(lo, hi, count, endpoint=True)
        arrays.append(np.where(rng.random(count) < 0.2, rng.choice(edges, count), drawn))
    return arrays
