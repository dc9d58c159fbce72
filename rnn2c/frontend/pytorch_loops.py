"""Rolls up loops over time that call nn.LSTMCell, nn.GRUCell or nn.RNNCell once per step.

torch.export writes such a loop out, step after step:
    h[t] = cell(select(x, t), h[t-1]);    y = stack(f(h[0]), ..., f(h[T-1]))
The cells become one recurrent layer of x, and f is applied to its whole output.  `loop.steps`
proves that T is every step of x.  Whatever does not match exactly is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rnn2c.errors import UnsupportedError, quoted
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.pytorch_graph import Graph, Node, Ref
from rnn2c.frontend.pytorch_inplace import outside

LAYERS = {
    "aten.gru_cell.default": "aten.gru.input",
    "aten.lstm_cell.default": "aten.lstm.input",
    "aten.rnn_relu_cell.default": "aten.rnn_relu.input",
    "aten.rnn_tanh_cell.default": "aten.rnn_tanh.input",
}
"""An operator of one step -> the operator of the whole sequence."""

WEIGHTS = ("w_ih", "w_hh", "b_ih", "b_hh")

PER_STEP = frozenset(
    """add clamp div dropout elu gelu hardsigmoid hardswish hardtanh leaky_relu linear mul relu
    relu6 sigmoid silu softmax softplus sub tanh""".split()
)
"""Operators that do the same to a step [1, n] and to a sequence of them."""


@dataclass(frozen=True)
class Steps:
    """All time steps: a tensor with three axes, time at `at` (0 or 1), batch at the other."""

    name: str
    at: int


def steps(call: Call) -> Result:
    """self, proven to have `steps` steps in dimension `dim`."""
    value, at, wanted = call.value(), int(call.get("dim")), int(call.get("steps"))
    if len(value.axes) != 3:
        raise call.refuse(
            f"a loop over a tensor of {len(value.axes)} dimensions; loop over one with time, batch "
            "and features"
        )
    size = value.axes[at].size
    if size != wanted:
        raise call.refuse(
            f"a loop over {wanted} steps of a dimension of {size}; loop over all of them"
        )
    return value


OPERATORS: dict[str, Handler] = {"loop.steps": steps}


def rolled(graph: Graph) -> Graph:
    """The same program with its loops rolled up, without the nodes that nothing needs any more.

    Raises UnsupportedError for a loop that is left.
    """
    if not any(node.target in LAYERS for node in graph.nodes):
        return graph
    roller = _Roller(graph)
    roller.roll()
    nodes = _live(roller.out, graph.results)
    seen: set[Any] = set()
    for node in nodes:
        weights = node.arguments.get("w_ih")
        if node.target in LAYERS and weights in seen:
            raise UnsupportedError(
                f"node {quoted(node.name)} (module {quoted(node.path)}): a cell is called several "
                "times, but not in a loop over all steps of [batch, time, features] in order, the "
                "state handed on, results stacked or only the last one used; write such a loop"
            )
        seen.add(weights)
    return replace(graph, nodes=nodes) if roller.found else graph


def _live(nodes: Sequence[Node], results: Sequence[tuple[str, Any]]) -> tuple[Node, ...]:
    wanted = {ref.name for _, returned in results for ref in _refs(returned)}
    kept: list[Node] = []
    for node in reversed(nodes):
        if node.name in wanted or _changes_in_place(node):
            kept.append(node)
            wanted.update(ref.name for value in node.arguments.values() for ref in _refs(value))
    return tuple(kept[::-1])


def _changes_in_place(node: Node) -> bool:
    """Whether later nodes may see what this one does without reading its result."""
    name = node.target.removeprefix("aten.").split(".")[0]
    return outside(name) != name


def _refs(value: Any) -> list[Ref]:
    if isinstance(value, list):
        return [ref for item in value for ref in _refs(item)]
    return [value] if isinstance(value, Ref) else []


class _Roller:
    """`out` is the new program so far; `lifted` holds what tuples of steps have become."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = {node.name: node for node in graph.nodes}
        self.picks = {
            (node.arguments["self"].name, node.arguments["index"]): node.name
            for node in graph.nodes
            if node.target == "getitem"
        }
        self.chains = self._chains()
        self.replaced: dict[str, Node] = {}
        self.lifted: dict[tuple[str, ...], Steps | None] = {}
        self.out: list[Node] = []
        self.found = 0

    def roll(self) -> None:
        for node in self.graph.nodes:
            if node.name in self.chains:
                self._roll_chain(self.chains[node.name])
            if node.target in ("aten.stack.default", "aten.cat.default"):
                node = self._joined(node)
            self.out.append(self.replaced.get(node.name, node))

    def _chains(self) -> dict[str, list[Node]]:
        """First cell -> it and all that follow, each starting from the state of the one before."""
        after: dict[str, list[Node]] = {}
        first: list[Node] = []
        for node in self.graph.nodes:
            if node.target in LAYERS:
                before = self._before(node)
                after.setdefault(before.name, []).append(node) if before else first.append(node)
        chains = {}
        for node in first:
            chain = [node]
            while len(after.get(chain[-1].name, ())) == 1:
                chain.append(after[chain[-1].name][0])
            chains[node.name] = chain
        return chains

    def _before(self, cell: Node) -> Node | None:
        """The cell of the same weights whose whole state this one starts from."""
        states = _refs(cell.arguments.get("hx"))
        made = [self._state(ref.name) for ref in states]
        before = self.nodes.get(made[0][0]) if made else None
        if before is None or made != [(before.name, k) for k in range(len(states))]:
            return None
        same = all(before.arguments.get(w) == cell.arguments.get(w) for w in WEIGHTS)
        return before if same and before.target == cell.target else None

    def _state(self, name: str) -> tuple[str, int]:
        """The cell that makes a value, and which of its results it is."""
        node = self.nodes.get(name)
        if node is not None and node.target == "getitem":
            return node.arguments["self"].name, node.arguments["index"]
        return name, 0

    def _roll_chain(self, chain: Sequence[Node]) -> None:
        first, last = chain[0].arguments, chain[-1]
        if len(chain) == 1:  # one step on its own, no loop
            return
        x = self._lift([cell.arguments.get("input") for cell in chain])
        if x is None:
            return
        self.found += 1
        weights = [first[w] for w in WEIGHTS if first.get(w) is not None]
        arguments = {
            "input": Ref(x.name),
            "hx": first.get("hx"),
            "params": weights,
            "has_biases": len(weights) == len(WEIGHTS),
            "num_layers": 1,
            "batch_first": x.at == 1,
        }
        layer = self._add(LAYERS[last.target], arguments, last.path)
        y = self._add("getitem", {"self": layer, "index": 0}, last.path)
        count = len(_refs(first.get("hx")))
        self.lifted[tuple(self._result(cell, 0) for cell in chain)] = Steps(y.name, x.at)
        for k in range(count):  # after the last step: [1, 1, n] without its first axis
            final = self._add("getitem", {"self": layer, "index": k + 1}, last.path)
            name = self._result(last, k)
            part = {"self": final, "dim": 0, "index": 0}
            self.replaced[name] = Node(name, "aten.select.int", part, last.path)

    def _result(self, cell: Node, index: int) -> str:
        """The name of a cell's result: its own, or that of the getitem that picks it."""
        if cell.target != "aten.lstm_cell.default":
            return cell.name
        return self.picks.get((cell.name, index), "")

    def _joined(self, node: Node) -> Node:
        """A stack of all steps is the sequence itself, with its axes in the order of the stack."""
        tensors = node.arguments["tensors"]
        dim = node.arguments.get("dim", 0)
        stacked = node.target == "aten.stack.default"
        if not stacked:
            inner = [self.nodes.get(ref.name) for ref in tensors]
            given = [(n.target, n.arguments.get("dim")) for n in inner if n is not None]
            stacked = given == [("aten.unsqueeze.default", dim)] * len(tensors)
            tensors = [n.arguments["self"] for n in inner if n is not None] if stacked else tensors
        sequence = self._lift(tensors)
        if sequence is None or (not stacked and dim != 0):
            return node
        at = sequence.at
        if not stacked:  # rows [1, n] one below the other: [T, n]
            rows = {"self": Ref(sequence.name), "dim": 1 - at}
            return replace(node, target="aten.squeeze.dim", arguments=rows)
        if dim % 3 == at:
            return replace(
                node, target="aten.alias.default", arguments={"self": Ref(sequence.name)}
            )
        if dim % 3 == 1 - at:
            swap = {"self": Ref(sequence.name), "dim0": 0, "dim1": 1}
            return replace(node, target="aten.transpose.int", arguments=swap)
        return node

    def _lift(self, given: Sequence[Any]) -> Steps | None:
        """The sequence of which the t-th value given is step t."""
        if not given or not all(isinstance(ref, Ref) for ref in given):
            return None
        names = tuple(ref.name for ref in given)
        if names not in self.lifted:
            self.lifted[names] = self._steps(names) or self._applied(names)
        return self.lifted[names]

    def _steps(self, names: tuple[str, ...]) -> Steps | None:
        """x from x[:, 0], x[:, 1], ... or from the parts of x.unbind(1)."""
        made = [self.nodes.get(name) for name in names]
        origins = {self._origin(node, t) for t, node in enumerate(made)}
        origin = origins.pop() if len(origins) == 1 else None
        if origin is None or origin.at not in (0, 1):
            return None
        proven = {"self": Ref(origin.name), "dim": origin.at, "steps": len(names)}
        return Steps(self._add("loop.steps", proven, "").name, origin.at)

    def _origin(self, node: Node | None, t: int) -> Steps | None:
        if node is None or node.arguments.get("index") != t:
            return None
        if node.target == "aten.select.int":
            return Steps(node.arguments["self"].name, node.arguments["dim"] % 3)
        whole = self.nodes.get(node.arguments["self"].name)
        if node.target == "getitem" and whole is not None and whole.target == "aten.unbind.int":
            dim = whole.arguments.get("dim", 0)
            return Steps(whole.arguments["self"].name, dim % 3)
        return None

    def _applied(self, names: tuple[str, ...]) -> Steps | None:
        """f(y) from f(y[0]), f(y[1]), ... with the same constants."""
        made = [node for node in map(self.nodes.get, names) if node is not None]
        alike = {(node.target, tuple(node.arguments)) for node in made}
        if len(made) != len(names) or len(alike) != 1:
            return None
        first = made[0]
        if first.target.removeprefix("aten.").split(".")[0] not in PER_STEP:
            return None
        arguments: dict[str, Any] = {}
        places = set()
        for key in first.arguments:
            values = [node.arguments.get(key) for node in made]
            if all(value == values[0] for value in values):
                if isinstance(values[0], Ref) and not self._alike(values[0].name, first.target):
                    return None
                arguments[key] = values[0]
                continue
            sequence = self._lift(values)
            if sequence is None:
                return None
            places.add(sequence.at)
            arguments[key] = Ref(sequence.name)
        if len(places) != 1 or arguments.get("dim", -1) not in (-1, 1):
            return None
        if "dim" in arguments:
            arguments["dim"] = -1
        return Steps(self._add(first.target, arguments, first.path).name, places.pop())

    def _alike(self, name: str, target: str) -> bool:
        """Whether this is a constant that means the same to a step and to a sequence."""
        if name not in self.graph.constants:
            return False
        shape = self.graph.constants[name].shape
        return len(shape) < 2 or target == "aten.linear.default" or shape[:-1] == (1,)

    def _add(self, target: str, arguments: Mapping[str, Any], path: str) -> Ref:
        name = f"loop {len(self.out)}"
        while name in self.nodes:
            name += "'"
        self.out.append(Node(name, target, arguments, path))
        return Ref(name)
