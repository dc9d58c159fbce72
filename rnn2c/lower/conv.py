"""Lower Conv1d to integers: a Linear layer whose columns meet rows of a ring, tap by tap."""

from __future__ import annotations

from rnn2c.errors import UnsupportedError
from rnn2c.ir.names import prose
from rnn2c.ir.temporal import Conv1d
from rnn2c.lower.builder import Builder
from rnn2c.lower.linear import Block, Columns, lower_blocks
from rnn2c.lower.rings import taps


def lower_conv(b: Builder, layer: Conv1d) -> None:
    """As lower_linear; what is before the first step holds the zero point."""
    if layer.weight.zero is not None:
        raise UnsupportedError(
            f"layer '{prose(layer.name)}': the weights of a convolution have zero points other than"
            " zero; quantize them symmetrically"
        )
    blocks = conv_blocks(b, layer, b.format(layer.inputs[0]).zero_point)
    lower_blocks(b, layer, blocks, conv_title(b, layer))


def conv_title(b: Builder, layer: Conv1d) -> str:
    """What the stages are called."""
    groups = f" in {layer.groups} groups" if layer.groups > 1 else ""
    sizes = f"{b.sizes[layer.inputs[0]]} -> {b.sizes[layer.name]}"
    return f"convolution of {layer.kernel} steps, {sizes}{groups}"


def conv_blocks(b: Builder, layer: Conv1d, zero: int) -> tuple[Block, ...]:
    """The rows of the matrix in as few blocks as have evenly placed columns.

    A block is one row of every group, or all rows of one group.
    """
    places = taps(b, layer, zero)
    rows, groups = layer.weight.shape[0], layer.groups
    width, height = b.sizes[layer.inputs[0]] // groups, rows // groups

    def columns(offset: int, stride: int) -> tuple[Columns, ...]:
        return tuple(Columns(p, k * width, width, offset, stride) for k, p in enumerate(places))

    if groups > 1 and height <= groups:
        return tuple(Block(slice(r, rows, height), columns(0, width)) for r in range(height))
    return tuple(
        Block(slice(g * height, (g + 1) * height), columns(g * width, 0)) for g in range(groups)
    )
