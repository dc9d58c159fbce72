"""Look-up tables of the profiles, as integer arrays, and what their numbers mean.

Those of `accurate` and `compact` take a pre-activation in Q3.12 and are indexed by its high byte,
that is in steps of 1/16 over [-8, 8).  Those of `fast` have an entry for every step of the rounded
pre-activation.  They are the same for every model, so layers and models share them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnn2c.ir.graph import FloatArray, IntArray

STEP = 256 / 4096
Q15 = 32767


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _tanh(x: FloatArray) -> FloatArray:
    return np.asarray(np.tanh(x))


@dataclass(frozen=True)
class Direct:
    """A table of `arith.look`: 2^bits entries in Q0.15, one for each step of 2^-fraction.

    The index is the pre-activation in steps, rounded to the nearest and saturated to `bits` bits.
    """

    function: Callable[[FloatArray], FloatArray]
    bits: int
    fraction: int

    @property
    def zero(self) -> int:
        """The entry of 0."""
        return 1 << (self.bits - 1)

    @property
    def format(self) -> str:
        """Of the index."""
        return f"Q{self.bits - 1 - self.fraction}.{self.fraction}"

    @property
    def half(self) -> float:
        """Half a step: added in front of a shift down, it makes that round to the nearest."""
        return 2.0 ** -(self.fraction + 1)

    def entries(self) -> IntArray:
        x = np.asarray((np.arange(1 << self.bits) - self.zero) * 2.0**-self.fraction, np.float64)
        return np.round(self.function(x) * Q15).astype(np.int64)


DIRECT = {
    "sigmoid": Direct(_sigmoid, bits=9, fraction=5),
    "tanh": Direct(_tanh, bits=9, fraction=6),
}


def _words(function: Callable[[FloatArray], FloatArray], first: int) -> IntArray:
    """256 words (base << 16 | slope) of a function at knots first, first + 1, ... steps."""
    x = np.asarray((np.arange(257) + first) * STEP, np.float64)
    return pack_words(np.round(function(x) * Q15).astype(np.int64))


def pack_words(knots: IntArray) -> IntArray:
    """Words of `arith.lut` from n + 1 int16 knots: base in the high half, slope in the low one."""
    return (knots[:-1] * 65536) + (np.diff(knots) & 65535)


def knots_of(words: IntArray) -> IntArray | None:
    """What pack_words makes these words of; None if they are no such words."""
    slope = ((words & 65535) ^ 32768) - 32768
    knots = np.append(words >> 16, (words[-1:] >> 16) + slope[-1:])
    fits = knots.min() >= -(2**15) and knots.max() < 2**15 and np.abs(np.diff(knots)).max() < 2**15
    return knots if fits and np.array_equal(pack_words(knots), words) else None


def half_of(values: IntArray) -> tuple[IntArray, int] | None:
    """The values of x >= 0 and the total f(x) + f(-x) of values that rise from -x to x, the middle
    one rounded up; None if they do not or have no such total.  The inverse of `mirrored`.
    """
    middle = values.size // 2
    half, total = values[middle:], int(values[-1] + values[0])
    same = np.array_equal(mirrored(half, total), values) and values[middle] == (total + 1) // 2
    return (half, total) if same and np.diff(values).min() >= 0 and 0 <= total < 2**15 else None


def mirrored(half: IntArray, total: int) -> IntArray:
    """The values of all x from those of x >= 0, where f(-x) = total - f(x)."""
    return np.concatenate([total - half[:0:-1], half])


def sigmoid_words() -> IntArray:
    """arith.lut: sigmoid in Q0.15, entry k is x = (k - 128) / 16."""
    return _words(_sigmoid, -128)


def tanh_words() -> IntArray:
    """arith.lut: tanh in Q0.15, entry k is x = (k - 128) / 16."""
    return _words(_tanh, -128)


def _signed_index() -> IntArray:
    """High byte 0..255 read as a signed number: 0..127, -128..-1."""
    return np.concatenate([np.arange(128), np.arange(-128, 0)])


def sigmoid_octets() -> IntArray:
    """arith.lut_u8: sigmoid in Q0.8 at the middle of each step, at most 255/256."""
    middle = np.asarray((_signed_index() + 0.5) * STEP, np.float64)
    return np.asarray(np.clip(np.round(_sigmoid(middle) * 256), 0, 255), np.int64)


def tanh_q12() -> IntArray:
    """arith.lut_slope: tanh in Q3.12 at the start of each step, within +-4095."""
    value = np.round(np.tanh(_signed_index() * STEP) * 4096)
    return np.asarray(np.clip(value, -4095, 4095), np.int64)


def tanh_q12_slope() -> IntArray:
    """arith.lut_slope: rise of tanh_q12 over each step, at most 255."""
    following = np.round(np.tanh((_signed_index() + 1) * STEP) * 4096)
    rise = np.clip(following, -4095, 4095) - tanh_q12()
    return np.asarray(np.clip(rise, 0, 255), np.int64)


def exp2_words() -> IntArray:
    """arith.exp2_down: 2^-(k / 256) in Q0.15, k = 0..255."""
    return pack_words(np.round(2.0 ** -(np.arange(257) / 256) * Q15).astype(np.int64))


def reciprocal_guesses() -> IntArray:
    """arith.reciprocal: 2^29 / x at the middle of x = 256 * (k + 64) .. + 255, k = 0..63."""
    return np.round(2.0**29 / (256 * (np.arange(64) + 64) + 128)).astype(np.int64)


def root_guesses() -> IntArray:
    """arith_norm.inverse_root: 2^22 / sqrt(x) at the middle of x = 1024 * (k + 16) .. + 1023."""
    return np.round(2.0**22 / np.sqrt(1024 * (np.arange(48) + 16) + 512)).astype(np.int64)


def log_words() -> IntArray:
    """arith.lut: log(t / 2^15) in Q0.15 of t = x / 2 + 49152, for x over 16 bits."""
    return pack_words(np.round(np.log(1 + np.arange(257) / 256) * 2**15).astype(np.int64))
