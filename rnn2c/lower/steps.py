"""--max-steps: what a Model needs it for, what a step costs, and the refusals."""

from __future__ import annotations

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.ir.graph import Model, Recurrent
from rnn2c.ir.interface import BYTES
from rnn2c.ir.names import prose
from rnn2c.ir.program import CTYPES
from rnn2c.ir.temporal import Framed
from rnn2c.ir.window import whole_sequence
from rnn2c.lower.schedule import schedule
from rnn2c.lower.storage import storage_type

MOST_STEPS = 65_535


def check_max_steps(model: Model, max_steps: int | None) -> None:
    """Raise Rnn2cError unless a number is given exactly where one is needed."""
    waiting = whole_sequence(model)
    if max_steps is None:
        if waiting:
            first = waiting[0]
            what = "picks or moves single steps"
            if isinstance(first, Recurrent):
                what = "runs in reverse"
            elif isinstance(first, Framed):
                what = "pads after the last step"
            raise UnsupportedError(
                f"layer '{prose(first.name)}' {what} and needs the whole sequence: give"
                f" --max-steps N, the most steps a sequence has ({step_bytes(model)} bytes of RAM"
                " for each)"
            )
    elif not waiting:
        raise Rnn2cError(
            f"--max-steps {max_steps}: this model runs step by step, over any number of steps;"
            " leave it out"
        )
    elif not 1 <= max_steps <= MOST_STEPS:
        raise Rnn2cError(f"--max-steps {max_steps}: give a number from 1 to {MOST_STEPS}")


def step_bytes(model: Model) -> int:
    """Bytes of RAM that the window of a Model costs for each step; 0 without one."""
    sizes = model.sizes()
    formats = model.numerics.formats if model.numerics else {}

    def width(name: str) -> int:
        form = formats.get(name)
        return BYTES[CTYPES[storage_type(form.lo, form.hi)]] if form else 4

    return sum(sizes[name] * width(name) for name in schedule(model).kept)
