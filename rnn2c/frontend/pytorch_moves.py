"""More aten operators that move data: rarer ways to split, select and reorder."""

from __future__ import annotations

from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.pytorch_layout import parts
from rnn2c.frontend.values import Value, position


def narrow(call: Call) -> Result:
    """`length` elements from `start` on."""
    value, start = call.value(), int(call.get("start"))
    at = call.axis("dim", len(value.axes))
    stop = start + int(call.get("length"))
    return call.builder.layout.slice(value, at, start, stop, 1, call.where)


def split_evenly(call: Call) -> Result:
    """tensor_split into a number of parts; the first ones are the longer."""
    value, count = call.value(), int(call.get("sections"))
    at = call.axis("dim", len(value.axes))
    size = value.axes[at].size
    if size is None or not 1 <= count <= size:
        raise call.refuse(f"splits {size} elements into {count} parts")
    sizes = [size // count + (k < size % count) for k in range(count)]
    return parts(call, value, at, sizes)


def move_axis(call: Call) -> Result:
    """movedim of one or several axes."""
    value = call.value()
    rank = len(value.axes)
    pairs = [call.get(n) for n in ("source", "destination")]
    source, target = ([p] if isinstance(p, int) else list(p) for p in pairs)
    source = [position(k, rank, call.where) for k in source]
    order = [k for k in range(rank) if k not in source]
    for k, to in sorted(
        zip(source, [position(t, rank, call.where) for t in target], strict=True),
        key=lambda pair: pair[1],
    ):
        order.insert(to, k)
    return call.builder.layout.transpose(value, order, call.where)


def transpose_last(call: Call) -> Result:
    """The last two axes swapped."""
    value = call.value()
    rank = len(value.axes)
    if rank < 2:
        raise call.refuse(f"swaps the last two of {rank} axes")
    order = [*range(rank - 2), rank - 1, rank - 2]
    return call.builder.layout.transpose(value, order, call.where)


def roll(call: Call) -> Result:
    """Features shifted around."""
    value, shifts, dims = call.value(), call.get("shifts"), call.get("dims")
    if not shifts or not dims or len(shifts) != 1 or len(dims) != 1:
        raise call.refuse("rolls several axes; only the features can be rolled")
    at = position(int(dims[0]), len(value.axes), call.where)
    size = value.axes[at].size or 1
    indices = [(k - int(shifts[0])) % size for k in range(size)]
    return call.builder.layout.take(value, at, indices, call.where)


def stack_horizontally(call: Call) -> Result:
    """hstack: along axis 1, of vectors along axis 0."""
    values = call.get("tensors")
    if not all(isinstance(v, Value) for v in values):
        raise call.refuse("joins constants; only computed features can be joined")
    at = min(1, len(values[0].axes) - 1)
    return call.builder.layout.concat(values, at, call.where)


OPERATORS: dict[str, Handler] = {
    "hstack": stack_horizontally,
    "mT": transpose_last,
    "movedim": move_axis,
    "narrow": narrow,
    "roll": roll,
    "tensor_split": split_evenly,
}
