"""Rolls up the steps of an nn.RNN that PyTorch's newer ONNX exporter writes one by one.

That exporter keeps LSTM and GRU whole but spells out an RNN:
    p = MatMul(x, w_ih) + b_ih
    a[t] = act(MatMul(a[t-1], w_hh) + b_hh + Squeeze(Slice(p, t, t+1)))
    y = Concat(a[0], ..., a[T-1])
The reverse direction is the same with Slice(p, step -1) for p, and Concat(a[T-1], ..., a[0]).  The
chain becomes one RNN node.  It carries sequence_lens = T, so that the RNN handler proves that
the chain covers every step of x.  Anything that does not match exactly is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from rnn2c.frontend.layout import ENDLESS
from rnn2c.frontend.values import Constant

FUNCTIONS = ("Tanh", "Relu")


@dataclass(frozen=True, eq=False)
class Product:
    """MatMul(source, weight) + bias; `nodes` are the one or two nodes that compute it."""

    source: str
    weight: str
    bias: str
    nodes: tuple[onnx.NodeProto, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One unrolled step: act(before + row t of `rows`)."""

    act: onnx.NodeProto
    before: str
    rows: str
    index: int
    nodes: tuple[onnx.NodeProto, ...]


class _Graph:
    """Look-ups in a list of nodes: who makes and who reads a tensor."""

    def __init__(self, nodes: Sequence[onnx.NodeProto], constants: dict[str, Constant]) -> None:
        self.nodes = nodes
        self.constants = constants
        self.maker = {name: node for node in nodes for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def made_by(self, name: str, operator: str) -> onnx.NodeProto | None:
        node = self.maker.get(name)
        return node if node is not None and node.op_type == operator else None

    def integers(self, name: str) -> list[int]:
        found = self.constants.get(name)
        if found is None or found.dtype != np.int64:
            return []
        return [int(i) for i in found.reshape(-1)[:8]]

    def product(self, name: str) -> Product | None:
        """The MatMul and Add that make `name`."""
        matmul = self.made_by(name, "MatMul")
        bias, nodes = "", []
        if matmul is None:
            addition = self.made_by(name, "Add")
            if addition is None or len(addition.input) != 2:
                return None
            left, right = addition.input
            made, bias = (left, right) if right in self.constants else (right, left)
            matmul = self.made_by(made, "MatMul")
            if matmul is None or bias not in self.constants:
                return None
            nodes = [addition]
        if len(matmul.input) != 2 or matmul.input[1] not in self.constants:
            return None
        return Product(matmul.input[0], matmul.input[1], bias, (matmul, *nodes))

    def rows(self, name: str) -> tuple[Product | None, onnx.NodeProto | None]:
        """The product whose rows are read, and the node that puts them in opposite order, if so."""
        flip = self.made_by(name, "Slice")
        if flip is None or len(flip.input) != 5:
            return self.product(name), None
        start, stop, axes, steps = (self.integers(n) for n in flip.input[1:])
        whole = (start, axes, steps) == ([-1], [0], [-1]) and len(stop) == 1 and stop[0] < -ENDLESS
        return (self.product(flip.input[0]), flip) if whole else (None, None)

    def step(self, act: onnx.NodeProto) -> Step | None:
        """`act` as a step of a chain, if it is one."""
        addition = self.made_by(act.input[0], "Add") if len(act.input) == 1 else None
        if addition is None or len(addition.input) != 2:
            return None
        for before, row in (tuple(addition.input), tuple(reversed(addition.input))):
            squeeze = self.made_by(row, "Squeeze")
            cut = self.made_by(squeeze.input[0], "Slice") if squeeze is not None else None
            if squeeze is None or cut is None or len(squeeze.input) != 2:
                continue
            index = self._row(cut)
            if index >= 0 and self.integers(squeeze.input[1]) == [0]:
                return Step(act, before, cut.input[0], index, (act, addition, squeeze, cut))
        return None

    def _row(self, cut: onnx.NodeProto) -> int:
        """t for Slice(p, t, t + 1) along axis 0, else -1."""
        if len(cut.input) != 4 or self.integers(cut.input[3]) != [0]:
            return -1
        start, stop = self.integers(cut.input[1]), self.integers(cut.input[2])
        return start[0] if len(start) == 1 and stop == [start[0] + 1] else -1


def roll_up(
    nodes: Sequence[onnx.NodeProto], constants: dict[str, Constant], outputs: set[str]
) -> list[onnx.NodeProto]:
    """Nodes with every complete chain replaced; new weights are added to `constants`."""
    found = list(nodes)
    if not any(node.op_type in FUNCTIONS for node in found):
        return found
    while True:
        graph = _Graph(found, constants)
        rolled = next(filter(None, (_roll_one(graph, c, outputs) for c in _chains(graph))), None)
        if rolled is None:
            return found
        found = rolled


def _chains(graph: _Graph) -> list[list[Step]]:
    """Chains of at least two steps, each reading the result of the one before it."""
    steps = {
        s.act.output[0]: s
        for n in graph.nodes
        if n.op_type in FUNCTIONS
        for s in [graph.step(n)]
        if s is not None
    }
    following: dict[tuple[str, str], Step] = {}
    for step in steps.values():
        product = graph.product(step.before)
        if product is not None:
            following[product.source, step.rows] = step
    chains = []
    for step in steps.values():
        chain = [step]
        while step.index == 0 and (after := following.get((chain[-1].act.output[0], step.rows))):
            if after.index != len(chain):
                break
            chain.append(after)
        if len(chain) > 1:
            chains.append(chain)
    return chains


def _roll_one(graph: _Graph, chain: list[Step], outputs: set[str]) -> list[onnx.NodeProto] | None:
    """The node list with this chain replaced, or None where it is not exactly an RNN."""
    from_x, flip = graph.rows(chain[0].rows)
    products = [graph.product(step.before) for step in chain]
    later = [p for p in products[1:] if p is not None]
    if from_x is None or len(later) != len(chain) - 1:
        return None
    first = later[0]
    initial = _initial_state(graph, chain[0], products[0], first)
    same = all((p.weight, p.bias) == (first.weight, first.bias) for p in later)
    if initial is None or not same or len({s.act.op_type for s in chain}) != 1:
        return None
    last = chain[-1].act
    concat = _concat(graph, chain, flip is not None)
    removed = [
        *from_x.nodes,
        *([flip] if flip is not None else []),
        *(n for s in chain for n in s.nodes),
    ]
    removed += [n for p in products if p is not None for n in p.nodes]
    removed += [concat] if concat is not None else []
    kept = {last.output[0], *(concat.output if concat is not None else ())}
    if not _closed(graph, removed, kept, outputs):
        return None
    way = "forward" if flip is None else "reverse"
    rnn = _rnn_node(graph, chain, from_x, first, initial, way)
    new: list[onnx.NodeProto] = []
    for node in graph.nodes:
        if node is last:
            new.append(rnn)
        elif node is concat:
            new.append(_drop_direction(graph, rnn, concat.output[0]))
        elif not any(node is r for r in removed):
            new.append(node)
    return new


def _initial_state(
    graph: _Graph, step: Step, product: Product | None, later: Product
) -> str | None:
    """Tensor name of h0, "" for zero (the exporter then folds the first product), or None."""
    if product is not None:
        same = (product.weight, product.bias) == (later.weight, later.bias)
        return product.source if same else None
    folded = graph.constants.get(step.before)
    if folded is None:
        return None
    bias = graph.constants[later.bias] if later.bias else np.float32(0)
    return "" if np.array_equal(folded, np.broadcast_to(bias, folded.shape)) else None


def _concat(graph: _Graph, chain: list[Step], reverse: bool) -> onnx.NodeProto | None:
    names = [s.act.output[0] for s in chain][:: -1 if reverse else 1]
    for node in graph.readers.get(names[0], []):
        axis = [a.i for a in node.attribute if a.name == "axis"]
        if node.op_type == "Concat" and list(node.input) == names and axis == [0]:
            return node
    return None


def _closed(
    graph: _Graph, removed: Sequence[onnx.NodeProto], kept: set[str], outputs: set[str]
) -> bool:
    """True if nothing else needs what the removed nodes make, apart from the names in `kept`."""
    gone = {id(n) for n in removed}
    made = {name for n in removed for name in n.output} - kept
    return not made & outputs and all(
        id(reader) in gone for name in made for reader in graph.readers.get(name, [])
    )


def _rnn_node(
    graph: _Graph,
    chain: list[Step],
    from_x: Product,
    from_h: Product,
    initial: str,
    direction: str,
) -> onnx.NodeProto:
    """One RNN node whose second output, Y_h, takes over the name of the last step."""
    last = chain[-1].act
    name = last.output[0]
    get = graph.constants
    units = get[from_h.weight].shape[-1]
    zero = np.zeros(units, np.float32)
    biases = [get[p.bias].reshape(-1) if p.bias else zero for p in (from_x, from_h)]
    new = {
        "W": get[from_x.weight].T[None],
        "R": get[from_h.weight].T[None],
        "B": np.concatenate(biases)[None],
        "sequence_lens": np.array([len(chain)], np.int32),
    }
    for key, array in new.items():
        get[f"{name}/rolled/{key}"] = array
    inputs = [from_x.source, *(f"{name}/rolled/{key}" for key in new), initial]
    node = helper.make_node(
        "RNN",
        inputs,
        [f"{name}/rolled/Y", name],
        name=last.name,
        hidden_size=units,
        activations=[last.op_type],
        direction=direction,
    )
    node.metadata_props.extend(last.metadata_props)
    return node


def _drop_direction(graph: _Graph, rnn: onnx.NodeProto, output: str) -> onnx.NodeProto:
    axes = f"{rnn.output[0]}/axes"
    graph.constants[axes] = np.array([1], np.int64)
    return helper.make_node("Squeeze", [rnn.output[0], axes], [output], name=rnn.name)
