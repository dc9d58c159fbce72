"""What `rnn2c inspect --target` says of the widths of sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnn2c.calibration import SequenceSet
from rnn2c.pipeline import StageSums, SumChoice
from rnn2c.target import Target


def sums_text(
    sums: Sequence[StageSums], target: Target | None, data: SequenceSet | None
) -> Iterator[str]:
    """The lines, none without a target."""
    if target is None:
        return
    if not sums:
        yield f"  sums      have 32 bits on {target.name}: narrower ones would not be faster"
        return
    source = "noise in the place of --calib" if data is None else "--calib"
    yield f"  sums      on {target.name}, profile {target.profile}, int8 weights, {source}"
    for stage in sums:
        yield f"    {stage.stage}"
        yield f"      {stage.bits} bits, as the largest sum that can be is {stage.largest}"
        for choice in stage.choices:
            small = f", too small by {choice.excess:.2g} times" if choice.excess > 1 else ""
            yield f"      {choice.bits} bits: {_cost(choice)}{small}"
    if any(stage.bits > 16 for stage in sums):
        yield "    --sum-width int16 makes inputs and weights of cells as coarse as 16 bits need"


def _cost(choice: SumChoice) -> str:
    if choice.cycles is None:
        return "plain C, without a kernel"
    return (
        f"about {choice.cycles} cycles for the products of a step,"
        f" {choice.weight_bytes} bytes of weights"
    )
