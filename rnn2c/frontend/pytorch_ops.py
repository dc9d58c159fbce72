"""Handlers of the aten operators that torch.export leaves, by operator name.

A handler reads its arguments through Call; an argument that no handler read is refused by the
caller, so nothing is silently ignored.  torch itself is not imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.builder import Builder, CellWeights
from rnn2c.frontend.gates import Cell
from rnn2c.frontend.layout import position
from rnn2c.frontend.values import Constant, Operand, Value
from rnn2c.ir.graph import FloatArray, Layer

Result = Operand | Sequence[Operand] | None


@dataclass(eq=False)
class Call:
    """One call of an operator; `path` is the attribute path of the module that makes it."""

    builder: Builder
    where: str
    path: str
    arguments: dict[str, Any]
    _read: set[str] = field(default_factory=set)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return self.arguments.get(name, default)

    def unread(self) -> list[str]:
        return [n for n, v in self.arguments.items() if n not in self._read and v is not None]

    def skip(self, *names: str) -> None:
        """Arguments that only say where or how torch stores the result."""
        self._read.update(names)

    def refuse(self, text: str) -> UnsupportedError:
        return UnsupportedError(f"{self.where}: {text}")

    def value(self, name: str = "self") -> Value:
        found = self.get(name)
        if not isinstance(found, Value):
            raise self.refuse(f"argument {name} is a constant; expected a computed tensor")
        return found

    def weight(self, name: str) -> FloatArray:
        found = self.get(name)
        if not isinstance(found, np.ndarray):
            raise self.refuse(f"argument {name} must be a parameter of the module")
        return found.astype(np.float64)

    def axis(self, name: str, rank: int, default: int = 0) -> int:
        return position(int(self.get(name, default)), rank, self.where)


Handler = Callable[[Call], Result]


def recurrent(cell: Cell, activation: str = "tanh") -> Handler:
    """aten lstm.input, gru.input, rnn_tanh.input, rnn_relu.input: a whole stack of layers."""

    def handler(call: Call) -> Result:
        x, count = call.value("input"), int(call.get("num_layers"))
        if call.get("bidirectional"):
            raise call.refuse("bidirectional is not supported; use bidirectional=False")
        call.skip("dropout", "train")
        time_at = 1 if call.get("batch_first") else 0
        states = call.get("hx")
        states = states if cell == "LSTM" else [states]
        groups = _weight_groups(call, count)
        layers: list[Layer] = []
        features = x
        for k, weights in enumerate(groups):
            state = [_layer_state(call, s, k, count) for s in states]
            layer = call.builder.recurrent(
                cell, call.path, features, time_at, weights, state, call.where,
                activation=activation,
            )
            layers.append(layer)
            last = call.builder.axes.new("feature", weights.w_hh.shape[1])
            features = Value((layer.name,), (*features.axes[:2], last))
        return [features, *_finals(call, features, time_at, layers)]

    return handler


def _weight_groups(call: Call, layers: int) -> list[CellWeights]:
    params = [np.asarray(p, np.float64) for p in call.get("params")]
    each = 4 if call.get("has_biases") else 2
    if len(params) != each * layers:
        raise call.refuse(f"{len(params)} parameters; projections (proj_size) are not supported")
    groups = []
    for k in range(0, len(params), each):
        w_ih, w_hh, *bias = params[k : k + each]
        zero = np.zeros(w_hh.shape[0])
        b_ih, b_hh = bias or (zero, zero)
        groups.append(CellWeights(w_ih, w_hh, b_ih, b_hh))
    return groups


def _layer_state(call: Call, state: Operand | None, layer: int, layers: int) -> Operand | None:
    if isinstance(state, Value):
        return call.builder.layout.slice(state, 0, layer, layer + 1, 1, call.where)
    if isinstance(state, np.ndarray) and state.ndim == 3 and state.shape[0] == layers:
        return state[layer : layer + 1]
    return state


def _finals(call: Call, y: Value, time_at: int, layers: Sequence[Layer]) -> list[Value]:
    """h_n and, for an LSTM, c_n: [layers, batch, features]."""
    axes = call.builder.axes
    finals = []
    for which in range(len(layers[0].outputs)):
        names = tuple(call.builder.last_step(layer.outputs[which]) for layer in layers)
        stack = axes.unit() if len(names) == 1 else axes.new("part", len(names))
        finals.append(Value(names, (stack, y.axes[1 - time_at], y.axes[2])))
    return finals


def getitem(call: Call) -> Result:
    """One result of an operator with several."""
    items = call.get("self")
    index = int(call.get("index"))
    result: Operand = items[index]
    return result


def linear(call: Call) -> Result:
    """aten.linear."""
    bias = None if call.get("bias") is None else call.weight("bias")
    return call.builder.linear(
        call.path, call.value("input"), call.weight("weight"), bias, call.where
    )


def addmm(call: Call) -> Result:
    """beta self + alpha mat1 mat2, with mat1 computed."""
    bias = call.weight("self") * float(call.get("beta", 1))
    weight = call.weight("mat2").T * float(call.get("alpha", 1))
    return call.builder.linear(call.path, call.value("mat1"), weight, bias, call.where)


def matmul(call: Call) -> Result:
    """Computed data times a constant matrix."""
    right = "mat2" if "mat2" in call.arguments else "other"
    weight = call.weight(right)
    if weight.ndim != 2:
        raise call.refuse(f"the weight has {weight.ndim} dimensions, expected 2")
    return call.builder.linear(call.path, call.value(), weight.T, None, call.where)


def add(call: Call) -> Result:
    """The bias of a linear layer."""
    a, b = call.get("self"), call.get("other")
    scale = float(call.get("alpha", 1))
    if isinstance(a, Value) and isinstance(b, np.ndarray):
        return call.builder.add_bias(a, b.astype(np.float64) * scale, call.where)
    if isinstance(b, Value) and isinstance(a, np.ndarray) and scale == 1:
        return call.builder.add_bias(b, a.astype(np.float64), call.where)
    raise call.refuse("only the bias of a linear layer can be added")


def activation(function: str) -> Handler:
    """A handler for one elementwise function."""
    def handler(call: Call) -> Result:
        return call.builder.activation(call.path, call.value(), function, call.where)

    return handler


def softmax(call: Call) -> Result:
    """Softmax over the features."""
    call.skip("dtype", "half_to_float")
    return call.builder.softmax(call.path, call.value(), int(call.get("dim")), call.where)


def argmax(call: Call) -> Result:
    """Index of the largest feature, the first one on ties."""
    value = call.value()
    axis = call.get("dim")
    if axis is None:
        raise call.refuse("argmax over the whole tensor; give dim=-1")
    keepdims = bool(call.get("keepdim", False))
    return call.builder.argmax(call.path, value, int(axis), keepdims, call.where)


def identity(call: Call) -> Result:
    """The same tensor."""
    call.skip("p", "train", "memory_format", "input")
    found: Operand = call.get("self") if "self" in call.arguments else call.get("input")
    return found


def to_type(call: Call) -> Result:
    """aten.to: the data must stay floating point; class indices may become integers."""
    found = call.value()
    call.skip("non_blocking", "copy", "memory_format", "device", "layout", "pin_memory")
    dtype = str(call.get("dtype"))
    if dtype not in ("None", "torch.float32") and call.builder.is_float(found):
        raise call.refuse(f"converts the data to {dtype}; keep it float32")
    return found


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
    """The last step or a range of layers, or any part of a constant."""
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
    a, b = call.axis("dim0", rank), call.axis("dim1", rank, 1)
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
    return call.builder.layout.reshape(call.value(), [int(d) for d in dims], call.where)


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
        size = [a.size for a in like.axes]
    elif size is None:
        size = like.shape
    return np.zeros([int(s) for s in size])


def cat(call: Call) -> Result:
    """Layers of h_n or c_n stacked along an existing axis."""
    values = call.get("tensors")
    if not all(isinstance(v, Value) for v in values):
        raise call.refuse("joins constants; only the h_n or c_n of several layers can be stacked")
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
            s in (-1, a.size) for s, a in zip(size, found.axes, strict=True)
        )
        if not same:
            raise call.refuse("repeats data along an axis; expand to the same shape only")
        return found
    if -1 in size:
        raise Rnn2cError(f"{call.where}: expands a constant to {list(size)}")
    return np.broadcast_to(found, [int(s) for s in size])


OPERATORS: dict[str, Handler] = {
    "_softmax": softmax,
    "add": add,
    "addmm": addmm,
    "alias": identity,
    "argmax": argmax,
    "cat": cat,
    "clone": identity,
    "contiguous": identity,
    "detach": identity,
    "dropout": identity,
    "expand": expand,
    "flatten": flatten,
    "getitem": getitem,
    "gru.input": recurrent("GRU"),
    "linear": linear,
    "lstm.input": recurrent("LSTM"),
    "matmul": matmul,
    "mm": matmul,
    "new_zeros": zeros,
    "permute": permute,
    "relu": activation("relu"),
    "reshape": reshape,
    "rnn_relu.input": recurrent("RNN", "relu"),
    "rnn_tanh.input": recurrent("RNN", "tanh"),
    "select": select,
    "sigmoid": activation("sigmoid"),
    "slice": slice_,
    "softmax": softmax,
    "squeeze": squeeze,
    "stack": stack,
    "t": transpose,
    "tanh": activation("tanh"),
    "to": to_type,
    "transpose": transpose,
    "unsqueeze": unsqueeze,
    "view": reshape,
    "zeros": zeros,
    "zeros_like": zeros,
}
