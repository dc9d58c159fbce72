"""What one sequence gave, and the comparison of two such records by name.

Integers, class indices among them, have to be equal.  Floats may differ by FLOAT_TOLERANCE of their
scale: the largest magnitude of the reference in that buffer and sequence, at least 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError
from rnn2c.ir.interface import FLOAT_TOLERANCE, Interface

IntArray = NDArray[np.int64]
NumberArray = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """One sequence of T steps: every array int64, or float64 for ports of type float.

    `codes` [T] are the return codes of step; `outputs` per-step outputs [T, n], rows whose code is
    not 0 are zero; `saved` the state buffers after each step [T, n]; `finals` what finish writes
    [n] (rows one after the other, those beyond the last step zero), all zero unless `final_code`,
    what finish returned, is 0.  All by port name.
    """

    codes: IntArray
    outputs: Mapping[str, NumberArray]
    saved: Mapping[str, NumberArray]
    finals: Mapping[str, NumberArray]
    final_code: int = 0

    def last(self) -> SequenceResult:
        """The same with the last step only, as a run in mode `final` gives it."""
        outputs = {name: rows[-1:] for name, rows in self.outputs.items()}
        saved = {name: rows[-1:] for name, rows in self.saved.items()}
        return SequenceResult(self.codes[-1:], outputs, saved, self.finals, self.final_code)


@dataclass(frozen=True)
class Mismatch:
    """The first difference: `step` is None for finish, `unit` is None for a return code."""

    sequence: int
    step: int | None
    buffer: str
    unit: int | None
    expected: int | float
    got: int | float

    def __str__(self) -> str:
        where = "finish" if self.step is None else f"step {self.step}"
        name = self.buffer if self.unit is None else f"{self.buffer}[{self.unit}]"
        values = f"expected {self.expected}, got {self.got}"
        return f"sequence {self.sequence}, {where}, {name}: {values}"


def compare(
    reference: Sequence[SequenceResult], got: Sequence[SequenceResult], interface: Interface
) -> Mismatch | None:
    """The first difference in time, None if there is none.

    Within a step: return code, then state buffers in the order of the save image, then outputs.
    Raises Rnn2cError if the two are not of the same sequences.
    """
    if len(reference) != len(got):
        raise Rnn2cError(f"cannot compare {len(reference)} sequences with {len(got)}")
    for index, (expected, actual) in enumerate(zip(reference, got, strict=True)):
        found = _compare_steps(index, expected, actual, interface)
        found = found or _compare_finals(index, expected, actual, interface)
        if found is not None:
            return found
    return None


def _compare_steps(
    index: int, expected: SequenceResult, got: SequenceResult, interface: Interface
) -> Mismatch | None:
    if expected.outputs.keys() != got.outputs.keys():
        raise Rnn2cError(
            f"sequence {index}: outputs {[*expected.outputs]} against {[*got.outputs]}"
        )
    columns = [("return code", expected.codes[:, None], got.codes[:, None])]
    columns += [(p.name, expected.saved[p.name], got.saved[p.name]) for p in interface.saved]
    columns += [(name, rows, got.outputs[name]) for name, rows in expected.outputs.items()]
    differences = [_difference(index, *column) for column in columns]
    found = [d for d in differences if d is not None]
    return min(found, key=lambda d: d.step or 0, default=None)


def largest_error(reference: Sequence[SequenceResult], got: Sequence[SequenceResult]) -> float:
    """The largest difference of a float, relative to the scale of its buffer."""
    worst = 0.0
    for expected, actual in zip(reference, got, strict=True):
        for part in ("outputs", "saved", "finals"):
            wanted, found = getattr(expected, part), getattr(actual, part)
            floats = [name for name, array in wanted.items() if array.dtype.kind == "f"]
            worst = max([worst, *(float(_errors(wanted[n], found[n]).max()) for n in floats)])
    return worst


def _errors(expected: NumberArray, got: NumberArray) -> NDArray[np.float64]:
    """Differences relative to the scale; infinite where one is NaN or only one is infinite."""
    wanted, found = np.asarray(expected, np.float64), np.asarray(got, np.float64)
    finite = np.abs(wanted[np.isfinite(wanted)])
    with np.errstate(invalid="ignore"):
        errors = np.abs(wanted - found) / max(1.0, float(finite.max(initial=0.0)))
    errors[wanted == found] = 0.0
    errors[np.isnan(errors)] = np.inf
    return errors


def _difference(index: int, name: str, expected: NumberArray, got: NumberArray) -> Mismatch | None:
    """The first difference of one buffer [T, n]."""
    if expected.shape != got.shape:
        raise Rnn2cError(f"sequence {index}, {name}: shape {expected.shape} against {got.shape}")
    is_float = expected.dtype.kind == "f"
    wrong = np.argwhere(_errors(expected, got) > FLOAT_TOLERANCE if is_float else expected != got)
    if not len(wrong):
        return None
    step, unit = int(wrong[0][0]), int(wrong[0][1])
    number = float if is_float else int
    values = number(expected[step, unit]), number(got[step, unit])
    return Mismatch(index, step, name, None if name == "return code" else unit, *values)


def _compare_finals(
    index: int, expected: SequenceResult, got: SequenceResult, interface: Interface
) -> Mismatch | None:
    if expected.final_code != got.final_code:
        values = expected.final_code, got.final_code
        return Mismatch(index, None, "return code", None, *values)
    for port in interface.final_outputs:
        pair = expected.finals[port.name][None], got.finals[port.name][None]
        found = _difference(index, port.name, *pair)
        if found is not None:
            return Mismatch(index, None, port.name, found.unit, found.expected, found.got)
    return None
