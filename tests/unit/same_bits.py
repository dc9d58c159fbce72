"""Two programs that have to compute the same."""

from __future__ import annotations

import numpy as np

from rnn2c.execute import run_integer
from rnn2c.ir.program import Program


def assert_same_bits(plain: Program, tailored: Program, steps: int = 12) -> None:
    """On three random sequences over the whole range of the first input, the only one per step."""
    b = plain.buffer[plain.inputs[0].buffer]
    x = np.random.default_rng(1).integers(b.lo, b.hi, (3, steps, b.size), endpoint=True)
    inputs = {plain.inputs[0].name: x}
    wanted, got = run_integer(plain, inputs), run_integer(tailored, inputs)
    assert all(np.array_equal(wanted[name], got[name]) for name in wanted)
