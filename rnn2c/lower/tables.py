"""The look-up tables that layers share: what makes each, its type, its comment."""

from __future__ import annotations

from collections.abc import Callable

from rnn2c import lut
from rnn2c.ir.graph import IntArray

Table = tuple[Callable[[], IntArray], str, str]


def direct_tables() -> dict[str, Table]:
    """Those of profile fast."""
    return {
        f"{name}_direct_table": (direct.entries, "i16", f"{name}, {direct.format} -> Q0.15")
        for name, direct in lut.DIRECT.items()
    }


TABLES: dict[str, Table] = {
    "sigmoid_table": (lut.sigmoid_words, "i32", "sigmoid, Q3.12 -> Q0.15: base << 16 | slope"),
    "tanh_table": (lut.tanh_words, "i32", "tanh, Q3.12 -> Q0.15: base << 16 | slope"),
    **direct_tables(),
    "sigmoid_u8_table": (lut.sigmoid_octets, "u8", "sigmoid by high byte, Q3.12 -> Q0.8"),
    "tanh_q12_table": (lut.tanh_q12, "i16", "tanh by high byte, Q3.12 -> Q3.12"),
    "tanh_q12_slope_table": (lut.tanh_q12_slope, "u8", "rise of tanh over 256 steps"),
    "exp2_table": (lut.exp2_words, "i32", "2^-(k/256) in Q0.15: base << 16 | slope"),
    "root_table": (lut.root_guesses, "i16", "first guesses of 2^22 / sqrt(x)"),
    "log_table": (lut.log_words, "i32", "log(t / 2^15), t = 2^15 .. 2^16, Q0.15: base, slope"),
    "reciprocal_table": (lut.reciprocal_guesses, "i16", "first guesses of 2^29 / x"),
}
