"""The product of cores without multiplication, read instruction by instruction."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn2c.emit.kernels import product_body

BODY = product_body(("riscv-e",))
BYTES = np.arange(256)


def signed(value: np.ndarray) -> np.ndarray:
    return ((value + 2**31) & (2**32 - 1)) - 2**31


def result(lines: tuple[str, ...], a: int) -> np.ndarray:
    """What the body returns for this number and every byte."""
    assert [line for line in lines if "__asm__" not in line and not line.startswith("    ")] == [
        "int32_t sum = 0;", "int32_t kept;", "uint32_t bits = (uint32_t)b << 24;", "return sum;",
    ]  # fmt: skip
    registers = {"%0": 0 * BYTES, "%1": signed(BYTES << 24), "%3": a + 0 * BYTES}
    code = re.findall(r'"(.*?)(?:\\n\\t)?"$', "\n".join(lines), re.MULTILINE)
    times = int(code[0].removeprefix(".rept "))
    assert code[-1] == ".endr"
    for line in code[1:-1] * times:
        operation, to, *operands = re.findall(r"[\w%]+", line)
        x, y = (registers[o] if o.startswith("%") else int(o) for o in operands)
        value = {"srai": x >> y, "and": x & y, "add": x + y, "slli": x << y}[operation]
        registers[to] = signed(value)
    return registers["%0"]


@given(st.integers(-(2**23), 2**23))
def test_it_is_the_product_with_every_byte(a: int):
    assert np.array_equal(result(BODY, a), a * BYTES)


@pytest.mark.parametrize(
    ("old", "new"), [("rept 8", "rept 7"), ("slli %1, %1, 1", "slli %1, %1, 2")]
)
def test_a_wrong_one_is_not(old: str, new: str):
    wrong = tuple(line.replace(old, new) for line in BODY)
    assert not np.array_equal(result(wrong, 3), 3 * BYTES)


def test_other_variants_multiply():
    assert not product_body(("riscv", "generic"))
