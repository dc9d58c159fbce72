"""The aten operators that move or make data; on a Value they only change axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Axis, Constant, Operand, Value, position


def select(call: Call) -> Result:
    """One element of an axis."""
    found = call.get("self")
    index = int(call.get("index"))
    if isinstance(found, Value):
        at = call.axis("dim", len(found.axes))
        return call.builder.layout.select(found, at, index, call.where)
    constant: Constant = np.take(found, index, axis=call.axis("dim", found.ndim))
    return constant


def slice_(call: Call) -> Result:
    """The last step, features or a range of layers, or any part of a constant."""
    found = call.get("self")
    start, stop = call.get("start"), call.get("end")
    start, stop = 0 if start is None else int(start), 2**63 - 1 if stop is None else int(stop)
    step = int(call.get("step", 1))
    if isinstance(found, Value):
        at = call.axis("dim", len(found.axes))
        return call.builder.layout.slice(found, at, start, stop, step, call.where)
    at = call.axis("dim", found.ndim)
    constant: Constant = found[(slice(None),) * at + (slice(start, stop, step),)]
    return constant


def split(call: Call) -> Result:
    """Equal or given parts of an axis, as a list."""
    value = call.value()
    at = call.axis("dim", len(value.axes))
    size = value.axes[at].size
    if size is None:
        raise call.refuse("splits a dynamic dimension")
    given = call.get("split_sizes" if "split_sizes" in call.arguments else "split_size")
    width = max(int(given), 1) if isinstance(given, int) else 0
    sizes = [min(width, size - k) for k in range(0, size, width)] if width else list(given)
    return parts(call, value, at, sizes)


def chunk(call: Call) -> Result:
    """At most `chunks` parts of equal size, the last one shorter."""
    value = call.value()
    at = call.axis("dim", len(value.axes))
    size = value.axes[at].size
    if size is None:
        raise call.refuse("splits a dynamic dimension")
    width = -(-size // max(int(call.get("chunks")), 1))
    return parts(call, value, at, [min(width, size - k) for k in range(0, size, width)])


def parts(call: Call, value: Value, at: int, sizes: Sequence[int]) -> list[Operand]:
    """Parts of an axis of these sizes, one after the other."""
    stops = np.cumsum(sizes).tolist()
    return [
        call.builder.layout.slice(value, at, stop - size, stop, 1, call.where)
        for size, stop in zip(sizes, stops, strict=True)
    ]


def unbind(call: Call) -> Result:
    """Every element of an axis, as a list."""
    value = call.value()
    at = call.axis("dim", len(value.axes))
    size = value.axes[at].size
    if size is None:
        raise call.refuse("splits a dynamic dimension")
    return [call.builder.layout.select(value, at, k, call.where) for k in range(size)]


def index_select(call: Call) -> Result:
    """Features by a constant list of indices, or one element of another axis."""
    value, index = call.value(), call.get("index")
    if not isinstance(index, np.ndarray):
        raise call.refuse("picks by computed indices; they must be constant")
    at, chosen = call.axis("dim", len(value.axes)), index.reshape(-1).astype(int).tolist()
    layout = call.builder.layout
    if len(chosen) == 1 and call.builder.axes.kind(value.axes[at]) != "feature":
        picked = layout.select(value, at, chosen[0], call.where)
        return layout.unsqueeze(picked, [at], call.where)
    return layout.take(value, at, chosen, call.where)


def index(call: Call) -> Result:
    """x[..., [2, 0, 1]]: features by a constant list."""
    value, given = call.value(), list(call.get("indices"))
    used = [k for k, i in enumerate(given) if i is not None]
    if used == list(range(len(used))) and all(_single(given[k]) for k in used):
        for k in used:
            value = call.builder.layout.select(value, 0, int(given[k].flat[0]), call.where)
        rank = max((given[k].ndim for k in used), default=0)
        return call.builder.layout.unsqueeze(value, range(rank), call.where)
    if len(used) != 1 or not isinstance(given[used[0]], np.ndarray):
        raise call.refuse("picks by several or by computed indices; one constant list can be used")
    chosen = given[used[0]]
    if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
        raise call.refuse("picks by a mask or a matrix; use a list of indices")
    return call.builder.layout.take(value, used[0], chosen.tolist(), call.where)


def _single(index: object) -> bool:
    is_constant = isinstance(index, np.ndarray) and np.issubdtype(index.dtype, np.integer)
    return is_constant and index.size == 1  # type: ignore[attr-defined]


def squeeze(call: Call) -> Result:
    """Axes of size 1 dropped."""
    dims = call.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    value = call.value()
    if dims is not None:  # torch leaves an axis alone that is not of size 1
        rank = len(value.axes)
        at = [position(d, rank, call.where) for d in dims]
        dims = [d for d in at if value.axes[d].size == 1]
    return call.builder.layout.squeeze(value, dims, call.where)


def unsqueeze(call: Call) -> Result:
    """An axis of size 1 added."""
    found = call.get("self")
    at = int(call.get("dim"))
    if isinstance(found, Value):
        return call.builder.layout.unsqueeze(found, [at], call.where)
    return np.expand_dims(found, at)


def transpose(call: Call) -> Result:
    """Two axes swapped."""
    found = call.get("self")
    rank = len(found.axes) if isinstance(found, Value) else found.ndim
    order = list(range(rank))
    names = ("axis0", "axis1") if "axis0" in call.arguments else ("dim0", "dim1")
    a, b = call.axis(names[0], rank), call.axis(names[1], rank, 1)
    order[a], order[b] = order[b], order[a]
    return _reorder(call, found, order)


def permute(call: Call) -> Result:
    """All axes reordered."""
    found = call.get("self")
    rank = len(found.axes) if isinstance(found, Value) else found.ndim
    order = [position(int(d), rank, call.where) for d in call.get("dims")]
    return _reorder(call, found, order)


def _reorder(call: Call, found: Operand, order: Sequence[int]) -> Operand:
    if isinstance(found, Value):
        return call.builder.layout.transpose(found, order, call.where)
    return np.transpose(found, list(order))


def reshape(call: Call) -> Result:
    """Axes of size 1 added or removed."""
    dims = call.get("shape") if "shape" in call.arguments else call.get("size")
    sizes = [d if isinstance(d, Axis) else int(d) for d in dims]
    return call.builder.layout.reshape(call.value(), sizes, call.where)


def flatten(call: Call) -> Result:
    """Axes merged of which at most one is wider than 1."""
    value = call.value()
    rank = len(value.axes)
    first, last = call.axis("start_dim", rank, 0), call.axis("end_dim", rank, -1)
    return call.builder.layout.flatten(value, first, last, call.where)


def zeros(call: Call) -> Result:
    """A constant initial state."""
    call.skip("dtype", "layout", "device", "pin_memory", "memory_format", "self")
    like = call.get("self")
    size = call.get("size")
    if size is None and isinstance(like, Value):
        size = like.axes
    elif size is None:
        size = like.shape
    return np.zeros(_shape(call, size))


def _shape(call: Call, sizes: Sequence[int | Axis]) -> list[int]:
    """The shape of a constant that is about to be made."""
    shape = [call.builder.axes.extent(s, call.where) for s in sizes]
    call.builder.fold(math.prod(shape), call.where)
    return shape


def cat(call: Call) -> Result:
    """Features one after the other, or layers of h_n or c_n stacked along an existing axis."""
    found = call.get("tensors")
    refusal = f"{call.where}: joins constants; only computed features or h_n can be joined"
    if not any(isinstance(v, Value) for v in found):
        raise call.refuse("joins constants; only computed features or h_n can be joined")
    values = [v if isinstance(v, Value) else call.builder.constant(v, refusal) for v in found]
    at = call.axis("dim", len(values[0].axes))
    return call.builder.layout.concat(values, at, call.where)


def stack(call: Call) -> Result:
    """Layers of h_n or c_n stacked along a new axis."""
    values = call.get("tensors")
    if not all(isinstance(v, Value) for v in values):
        raise call.refuse("stacks constants; only the h_n or c_n of several layers can be stacked")
    at = call.axis("dim", len(values[0].axes) + 1)
    raised = [call.builder.layout.unsqueeze(v, [at], call.where) for v in values]
    return call.builder.layout.concat(raised, at, call.where)


def expand(call: Call) -> Result:
    """A constant of a larger shape; computed data keeps its shape."""
    found, size = call.get("self"), call.get("size")
    call.skip("implicit")
    if isinstance(found, Value):
        same = len(size) == len(found.axes) and all(
            s is a or s in (-1, a.size) for s, a in zip(size, found.axes, strict=True)
        )
        if not same:
            raise call.refuse("repeats data along an axis; expand to the same shape only")
        return found
    if -1 in size:
        raise Rnn2cError(f"{call.where}: expands a constant to {list(size)}")
    return np.broadcast_to(found, _shape(call, size))


def sym_size(call: Call) -> Result:
    """The size of a dynamic dimension."""
    axis = call.value().axes[call.axis("dim", len(call.value().axes))]
    return axis if axis.size is None else axis.size


def flip(call: Call) -> Result:
    """Axes in opposite order."""
    found = call.value()
    for dim in call.get("dims"):
        at = position(int(dim), len(found.axes), call.where)
        found = call.builder.layout.flip(found, at, call.where)
    return found


OPERATORS: dict[str, Handler] = {
    "cat": cat,
    "chunk": chunk,
    "expand": expand,
    "flatten": flatten,
    "flip": flip,
    "index": index,
    "index_select": index_select,
    "concat": cat,
    "concatenate": cat,
    "new_zeros": zeros,
    "permute": permute,
    "reshape": reshape,
    "select": select,
    "slice": slice_,
    "split": split,
    "split_with_sizes": split,
    "squeeze": squeeze,
    "stack": stack,
    "sym_size": sym_size,
    "swapaxes": transpose,
    "swapdims": transpose,
    "t": transpose,
    "transpose": transpose,
    "unbind": unbind,
    "unsqueeze": unsqueeze,
    "view": reshape,
    "zeros": zeros,
    "zeros_like": zeros,
}
