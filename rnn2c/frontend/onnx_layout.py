"""ONNX operators that move or make data: on Values they change axes, on constants they are folded.

Legacy PyTorch exports build the zero initial states from Shape, Gather, Concat and ConstantOfShape;
folding them leaves plain zeros.  A budget bounds what is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rnn2c.frontend.builder import Builder
from rnn2c.frontend.embedding import embedding
from rnn2c.frontend.onnx_file import TYPES, array
from rnn2c.frontend.onnx_node import Node, Operator, Result
from rnn2c.frontend.values import Axis, Operand, Value, as_items, position, quoted, shape_vector


def identity(builder: Builder, node: Node) -> Sequence[Operand]:
    """The same tensor."""
    return [node.operand(0)]


def dropout(builder: Builder, node: Node) -> Sequence[Operand]:
    """Nothing at inference; a training-mode Dropout is refused."""
    training = node.optional(2)
    if training is not None and (isinstance(training, Value) or bool(np.any(training))):
        raise node.refuse("training_mode is on; export the model in eval mode")
    return [node.operand(0)]


def constant(builder: Builder, node: Node) -> Sequence[Operand]:
    """A constant of any of the attribute forms."""
    if len(node.attributes) != 1:
        raise node.refuse("needs exactly one value attribute")
    tensor = node.tensor("value")
    if tensor is not None:
        return [array(tensor, node.where)]
    if "value_int" in node.attributes:
        return [np.array(node.integer("value_int", 0), np.int64)]
    if "value_float" in node.attributes:
        return [np.array(node.real("value_float", 0.0), np.float32)]
    if "value_floats" in node.attributes:
        return [np.array(node.floats("value_floats"), np.float32)]
    return [np.array(node.ints("value_ints"), np.int64)]


def cast(builder: Builder, node: Node) -> Sequence[Operand]:
    """A Value keeps its type; a constant is converted; class indices may become integers."""
    to = node.integer("to", 0)
    if to not in TYPES:
        raise node.refuse(f"element type {to} is not supported; use float32 or an integer type")
    found = node.operand(0)
    if isinstance(found, Value):
        if found.axes and builder.is_float(found) and TYPES[to][1] is not np.float32:
            raise node.refuse("converts the data to another type; keep it float32, tokens integers")
        return [found]
    if found.dtype == object:
        return [found]
    try:
        with np.errstate(all="raise"):
            return [found.astype(TYPES[to][1])]
    except FloatingPointError:
        raise node.refuse("converts numbers that do not fit the other type") from None


def shape(builder: Builder, node: Node) -> Sequence[Operand]:
    """A vector of known sizes and symbolic axes."""
    found = node.operand(0)
    dims = found.axes if isinstance(found, Value) else found.shape
    rank = len(dims)
    start, end = node.integer("start", 0), node.integer("end", rank)
    return [shape_vector(dims[slice(start, end)])]


def constant_of_shape(builder: Builder, node: Node) -> Sequence[Operand]:
    """A filled constant; a symbolic dimension of it can only be the batch."""
    dims = _extents(builder, node, as_items(node.constant(0, "shape")))
    tensor = node.tensor("value")
    fill = np.zeros(1, np.float32) if tensor is None else array(tensor, node.where)
    if fill.size != 1:
        raise node.refuse(f"value has {fill.size} elements, expected 1")
    return [np.full(dims, fill.reshape(-1)[0])]


def expand(builder: Builder, node: Node) -> Sequence[Operand]:
    """A constant of a larger shape; computed data keeps its shape."""
    found, items = node.operand(0), as_items(node.constant(1, "shape"))
    if isinstance(found, Value):
        rank = len(found.axes)
        keeps = len(items) <= rank and all(
            d == 1 or d is a or d == a.size
            for d, a in zip(reversed(items), reversed(found.axes), strict=False)
        )
        if not keeps:
            raise node.refuse("repeats data along an axis; only an Expand to the same shape works")
        return [found]
    dims = np.broadcast_shapes(found.shape, _extents(builder, node, items))
    _budget(builder, node, dims)
    return [np.broadcast_to(found, dims)]


def _extents(builder: Builder, node: Node, items: Sequence[int | Axis]) -> list[int]:
    dims = [builder.axes.extent(item, node.where) for item in items]
    _budget(builder, node, dims)
    return dims


def _budget(builder: Builder, node: Node, dims: Sequence[int]) -> None:
    if min(dims, default=0) < 0:
        raise node.refuse(f"makes a constant of shape {list(dims)}")
    builder.fold(math.prod(dims), f"{node.where}, output {quoted(node.outputs[0])}")


def transpose(builder: Builder, node: Node) -> Sequence[Operand]:
    """Axes in the order of perm, reversed without it."""
    found = node.operand(0)
    rank = len(found.axes) if isinstance(found, Value) else found.ndim
    order = node.ints("perm") or list(reversed(range(rank)))
    if isinstance(found, Value):
        return [builder.layout.transpose(found, order, node.where)]
    return [np.transpose(found, order)]


def squeeze(builder: Builder, node: Node) -> Sequence[Operand]:
    """Axes of size 1 dropped."""
    found, axes = node.operand(0), node.integers(1, "axes")
    if isinstance(found, Value):
        return [builder.layout.squeeze(found, axes, node.where)]
    return [np.squeeze(found, None if axes is None else tuple(axes))]


def unsqueeze(builder: Builder, node: Node) -> Sequence[Operand]:
    """Axes of size 1 added."""
    found, axes = node.operand(0), node.integers(1, "axes")
    if axes is None:
        raise node.refuse("has no axes")
    if isinstance(found, Value):
        return [builder.layout.unsqueeze(found, axes, node.where)]
    return [np.expand_dims(found, tuple(axes))]


def reshape(builder: Builder, node: Node) -> Sequence[Operand]:
    """A constant in any shape; computed data gains or loses axes of size 1."""
    found, dims = node.operand(0), list(as_items(node.constant(1, "shape")))
    keep_zero = node.integer("allowzero", 0) == 0
    old = found.axes if isinstance(found, Value) else found.shape
    for k, dim in enumerate(dims):
        if keep_zero and isinstance(dim, int) and dim == 0 and k < len(old):
            dims[k] = old[k]
    if isinstance(found, Value):
        return [builder.layout.reshape(found, dims, node.where)]
    return [found.reshape([builder.axes.extent(d, node.where) for d in dims])]


def flatten(builder: Builder, node: Node) -> Sequence[Operand]:
    """To two dimensions: the axes before `axis`, and the rest."""
    value, axis = node.value(0), node.integer("axis", 1)
    rank = len(value.axes)
    if not -rank <= axis <= rank:
        raise node.refuse(f"axis {axis} of a tensor with {rank} dimensions")
    axis = axis + rank if axis < 0 else axis
    right = builder.layout.flatten(value, axis, rank - 1, node.where)
    return [builder.layout.flatten(right, 0, axis - 1, node.where)]


def gather(builder: Builder, node: Node) -> Sequence[Result]:
    """Features or one element of an axis of computed data, or any of a constant."""
    found, tokens, axis = node.operand(0), node.optional(1), node.integer("axis", 0)
    if isinstance(tokens, Value) and not isinstance(found, Value) and axis == 0:
        table = node.given(0) or node.weights(0, "table")
        return [embedding(builder, node.stem, table, tokens, node.where)]
    index = node.constant(1, "index")
    if not isinstance(found, Value):
        width = found.shape[position(axis, found.ndim, node.where)]
        _budget(builder, node, [found.size // max(width, 1) * index.size])
        chosen = index.astype(np.int64)
        given = node.given(0)
        if given:
            return [given.moved(lambda array: np.take(array, chosen, axis=axis))]
        return [np.asarray(np.take(found, chosen, axis=axis))]
    at = position(axis, len(found.axes), node.where)
    if index.ndim == 1 and builder.axes.kind(found.axes[at]) == "feature":
        return [builder.layout.take(found, at, index.astype(int).tolist(), node.where)]
    if index.size != 1 or index.ndim > 1:
        raise node.refuse(f"picks {index.size} elements; only one (the last step) can be picked")
    picked = builder.layout.select(found, at, int(index.reshape(-1)[0]), node.where)
    return [builder.layout.unsqueeze(picked, [at], node.where) if index.ndim else picked]


def slice_(builder: Builder, node: Node) -> Sequence[Operand]:
    """The last step, features or a range of layers, or any part of a constant."""
    starts, ends = node.integers(1, "starts"), node.integers(2, "ends")
    found = node.operand(0)
    if starts is None or ends is None or len(starts) != len(ends):
        raise node.refuse("needs starts and ends of one length")
    axes = node.integers(3, "axes") or list(range(len(starts)))
    steps = node.integers(4, "steps") or [1] * len(starts)
    rank = len(found.axes) if isinstance(found, Value) else found.ndim
    for axis, start, stop, step in zip(axes, starts, ends, steps, strict=True):
        at = position(axis, rank, node.where)
        if isinstance(found, Value):
            found = builder.layout.slice(found, at, start, stop, step, node.where)
        else:
            found = found[(slice(None),) * at + (slice(start, stop, step),)]
    return [found]


def reverse_sequence(builder: Builder, node: Node) -> Sequence[Operand]:
    """Time in opposite order, of sequences that are as long as the tensor."""
    at, batch_at = node.integer("time_axis", 0), node.integer("batch_axis", 1)
    x = node.value(0)
    if sorted((at, batch_at)) != [0, 1] or len(x.axes) < 2:
        raise node.refuse(f"time_axis={at}, batch_axis={batch_at}; they are 0 and 1 in some order")
    lengths = node.operand(1)
    time = x.axes[at]
    if isinstance(lengths, Value) or lengths.size != 1 or lengths.item() not in (time, time.size):
        raise node.refuse(
            "sequence_lens must be the length of the tensor; run one whole sequence at a time"
        )
    builder.axes.bind(x.axes[batch_at], "unit", node.where)
    return [builder.layout.flip(x, at, node.where)]


def concat(builder: Builder, node: Node) -> Sequence[Operand]:
    """Features one after the other, layers of h_n stacked, or constants joined."""
    operands = [node.operand(k) for k in range(len(node.inputs))]
    values = [o for o in operands if isinstance(o, Value)]
    arrays = [o for o in operands if not isinstance(o, Value)]
    axis = node.integer("axis", 0)
    if values:
        refusal = f"{node.where}: joins computed data and constants; only one kind is supported"
        values = [o if isinstance(o, Value) else builder.constant(o, refusal) for o in operands]
        at = position(axis, len(values[0].axes), node.where)
        return [builder.layout.concat(values, at, node.where)]
    _budget(builder, node, [sum(a.size for a in arrays)])
    return [np.concatenate(arrays, axis=axis)]


def split(builder: Builder, node: Node) -> Sequence[Operand]:
    """Features or a stacked initial state taken apart, or a constant."""
    found = node.operand(0)
    rank = len(found.axes) if isinstance(found, Value) else found.ndim
    at = position(node.integer("axis", 0), rank, node.where)
    size = found.axes[at].size if isinstance(found, Value) else found.shape[at]
    if size is None:
        raise node.refuse("splits a dynamic dimension")
    count = node.integer("num_outputs", len(node.outputs))
    even = [-(-size // max(count, 1))] * max(count, 1)
    sizes = node.integers(1, "split") or [*even[:-1], size - sum(even[:-1])]
    if sum(sizes) != size or min(sizes) < 1 or len(sizes) != len(node.outputs):
        raise node.refuse(f"splits {size} elements into {sizes}")
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    if not isinstance(found, Value):
        return list(np.split(found, starts[1:-1], axis=at))
    return [
        builder.layout.slice(found, at, start, stop, 1, node.where)
        for start, stop in pairwise(starts)
    ]


OPERATORS = {
    "Cast": Operator(cast, ("to", "saturate", "round_mode")),
    "Concat": Operator(concat, ("axis",), inputs=1024),
    "Constant": Operator(
        constant, ("value", "value_int", "value_ints", "value_float", "value_floats"), inputs=0
    ),
    "ConstantOfShape": Operator(constant_of_shape, ("value",)),
    "Dropout": Operator(dropout, ("ratio", "seed"), inputs=3),
    "Expand": Operator(expand, inputs=2),
    "Flatten": Operator(flatten, ("axis",)),
    "Gather": Operator(gather, ("axis",), inputs=2),
    "Identity": Operator(identity),
    "Reshape": Operator(reshape, ("allowzero",), inputs=2),
    "Shape": Operator(shape, ("start", "end")),
    "ReverseSequence": Operator(reverse_sequence, ("batch_axis", "time_axis"), inputs=2),
    "Slice": Operator(slice_, ("starts", "ends", "axes"), inputs=5),
    "Split": Operator(split, ("axis", "split", "num_outputs"), inputs=2),
    "Squeeze": Operator(squeeze, ("axes",), inputs=2),
    "Transpose": Operator(transpose, ("perm",)),
    "Unsqueeze": Operator(unsqueeze, ("axes",), inputs=2),
}
