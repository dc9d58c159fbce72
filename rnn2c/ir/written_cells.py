"""Recognizes LSTM, GRU and RNN cells that people write out in their own way.

What is in front of an activation is read as an affine form of vectors, however it is put together:
one matrix for all gates or one each, x and h joined or apart, parts picked or split.  The state may
be kept in any of the usual ways, h' = n + z (h - n) = (1 - z) n + z h, with z or 1 - z for a gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnn2c.ir import graph
from rnn2c.ir.cells import RELU, TANH
from rnn2c.ir.graph import Delay, FloatArray, Layer, Model, Tensor


@dataclass(frozen=True, eq=False)
class Form:
    """The sum of matrices [size, n] times values, plus a bias [size]."""

    matrices: Mapping[str, FloatArray]
    bias: FloatArray

    def plus(self, other: Form, sign: float) -> Form:
        matrices = dict(self.matrices)
        for name, matrix in other.matrices.items():
            matrices[name] = matrices.get(name, 0.0) + sign * matrix
        return Form(matrices, self.bias + sign * other.bias)

    def rows(self, matrix: FloatArray) -> Form:
        """matrix times the form."""
        return Form({n: matrix @ m for n, m in self.matrices.items()}, matrix @ self.bias)


class _Forms:
    """The layers of a model, and the forms of its values."""

    def __init__(self, model: Model) -> None:
        self.sizes = model.sizes()
        self.layers = {p.name: p for p in model.layers}
        self.delays = {d.name: d for d in model.delays}

    def leaf(self, value: str) -> Form:
        size = self.sizes[value]
        return Form({value: np.eye(size)}, np.zeros(size))

    def form(self, value: str, *, behind: bool = False) -> Form:
        """behind: of what a matrix reads, where only joints and selections are looked through."""
        layer = self.layers.get(value)
        match layer:
            case graph.Pick():
                return self.form(layer.inputs[0], behind=behind).rows(
                    np.eye(self.sizes[layer.inputs[0]])[list(layer.indices)]
                )
            case graph.Concat():
                return self._joined([self.form(n, behind=behind) for n in layer.inputs])
            case graph.Linear(activation="") if not behind and layer.weight.scale is None:
                made = self.form(layer.inputs[0], behind=True).rows(layer.weight.real())
                return Form(made.matrices, made.bias + layer.bias)
            case graph.Sum() if not behind:
                a, b = (self.form(n) for n in layer.inputs)
                return a.plus(b, -1.0 if layer.subtract else 1.0)
            case graph.Affine() if not behind:
                made = self.form(layer.inputs[0]).rows(np.diag(layer.scale))
                return Form(made.matrices, made.bias + layer.offset)
        return self.leaf(value)

    def _joined(self, parts: Sequence[Form]) -> Form:
        sizes = [p.bias.size for p in parts]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        whole = Form({}, np.zeros(starts[-1]))
        for part, start in zip(parts, starts, strict=False):
            place = np.eye(starts[-1])[:, start : start + part.bias.size]
            whole = whole.plus(part.rows(place), 1.0)
        return whole

    def function(self, value: str, function: str) -> Form | None:
        """The form of z in function(z)."""
        layer = self.layers.get(value)
        is_one = isinstance(layer, graph.Activation) and layer.function == function
        return self.form(layer.inputs[0]) if layer is not None and is_one else None

    def gate(self, value: str) -> Form | None:
        """The form of z in value = sigmoid(z) or 1 - sigmoid(-z)."""
        inner = self.one_minus(value)
        if inner:
            turned = self.function(inner, "sigmoid")
            return None if turned is None else turned.rows(-np.eye(turned.bias.size))
        return self.function(value, "sigmoid")

    def one_minus(self, value: str) -> str:
        """x in value = 1 - x, or the empty string."""
        layer = self.layers.get(value)
        if isinstance(layer, graph.Affine) and np.all(layer.scale == -1):
            return layer.inputs[0] if np.all(layer.offset == 1) else ""
        return ""

    def pairs(self, value: str, kind: type[Layer]) -> Iterator[tuple[str, str]]:
        """Both orders of what a sum or product reads."""
        layer = self.layers.get(value)
        if isinstance(layer, kind) and not (isinstance(layer, graph.Sum) and layer.subtract):
            yield layer.inputs[0], layer.inputs[1]
            yield layer.inputs[1], layer.inputs[0]

    def difference(self, value: str) -> tuple[str, str]:
        layer = self.layers.get(value)
        if isinstance(layer, graph.Sum) and layer.subtract:
            return layer.inputs[0], layer.inputs[1]
        return "", ""


Found = tuple[type[graph.Recurrent], list[Form], str, dict[str, object]]
"""The kind, a form per gate, what U is multiplied with, other fields."""


def written_cell(model: Model, delay: Delay) -> tuple[Model, graph.Recurrent] | None:
    """The cell whose h is the delay, and the model with its inputs joined into one value."""
    forms = _Forms(model)
    for match in (_lstm, _gru, _rnn):
        for kind, gates, h, fields in match(forms, delay):
            made = _cell(model, forms, delay, kind, gates, h, fields)
            if made is not None:
                return made
    return None


def _cell(
    model: Model,
    forms: _Forms,
    delay: Delay,
    kind: type[graph.Recurrent],
    gates: Sequence[Form],
    reset: str,
    fields: dict[str, object],
) -> tuple[Model, graph.Recurrent] | None:
    """W and U from the forms: U of h, and of the last gate of `reset` instead if that is given."""
    own = [*[delay.name] * (len(gates) - 1), reset or delay.name]
    if kind is graph.Gru and not reset:
        own[-1] = ""  # U of n is given
    sources = list(dict.fromkeys(n for g, h in zip(gates, own, strict=True) for n in g.matrices
                                 if n != h))  # fmt: skip
    if not sources or any(n in forms.delays for n in sources):
        return None
    if any(g.bias.size != delay.size for g in gates):
        return None

    def block(gate: Form, names: Sequence[str]) -> FloatArray:
        empty = {n: np.zeros((delay.size, forms.sizes[n])) for n in names}
        return np.hstack([gate.matrices.get(n, empty[n]) for n in names])

    w_ih = np.vstack([block(g, sources) for g in gates])
    u = [block(g, [h]) for g, h in zip(gates, own, strict=True) if h]
    b_ih = np.concatenate([g.bias for g in gates])
    b_hh = np.zeros_like(b_ih)
    after = fields.pop("after", None)
    if isinstance(after, Form):
        u.append(after.matrices[delay.name])
        b_hh[-delay.size :] = after.bias
    x = sources[0]
    if len(sources) > 1:
        x = f"{delay.value}.inputs"
        joint = graph.Concat(name=x, inputs=tuple(sources))
        at = 1 + max((k for k, p in enumerate(model.layers) if p.name in sources), default=-1)
        model = model.with_layers((*model.layers[:at], joint, *model.layers[at:]))
    weights = {"w_ih": Tensor(w_ih), "w_hh": Tensor(np.vstack(u)), "b_ih": b_ih, "b_hh": b_hh}
    return model, kind(name=delay.value, inputs=(x,), **weights, **fields)  # type: ignore[arg-type]


def _rnn(forms: _Forms, delay: Delay) -> Iterator[Found]:
    """h' = tanh or relu of W x + U h."""
    for name, function in (("tanh", TANH), ("relu", RELU)):
        form = forms.function(delay.value, name)
        if form is not None and delay.name in form.matrices:
            yield graph.Rnn, [form], "", {"activations": (function,)}


def _lstm(forms: _Forms, delay: Delay) -> Iterator[Found]:
    """h' = o tanh(c');  c' = f c + i g."""
    for o, t in forms.pairs(delay.value, graph.Product):
        layer = forms.layers.get(t)
        if not isinstance(layer, graph.Activation) or layer.function != "tanh":
            continue
        new_c = layer.inputs[0]
        for kept, added in forms.pairs(new_c, graph.Sum):
            for f, c in forms.pairs(kept, graph.Product):
                if c not in forms.delays or forms.delays[c].value != new_c:
                    continue
                for i, g in forms.pairs(added, graph.Product):
                    gates = [forms.gate(i), forms.gate(f), forms.function(g, "tanh"), forms.gate(o)]
                    found = [p for p in gates if p is not None]
                    if len(found) == len(gates):
                        yield graph.Lstm, found, "", {}


def _gru(forms: _Forms, delay: Delay) -> Iterator[Found]:
    """h' between n and h; n = tanh(W x + r (U h)) or tanh(W x + U (r h))."""
    for n, z in _mixtures(forms, delay):
        candidate = forms.function(n, "tanh")
        for product in () if candidate is None else candidate.matrices:
            for r, q in forms.pairs(product, graph.Product):
                reset = forms.gate(r)
                if reset is None or candidate is None:
                    continue
                if q == delay.name:
                    yield graph.Gru, [reset, z, candidate], product, {"reset_after": False}
                    continue
                inner = forms.form(q)
                factor = candidate.matrices[product]
                if set(inner.matrices) == {delay.name} and _is_identity(factor):
                    rest = {k: m for k, m in candidate.matrices.items() if k != product}
                    outer = replace(candidate, matrices=rest)
                    yield graph.Gru, [reset, z, outer], "", {"after": inner}


def _is_identity(matrix: FloatArray) -> bool:
    return matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.eye(len(matrix)))


def _mixtures(forms: _Forms, delay: Delay) -> Iterator[tuple[str, Form]]:
    """n and the form of z in h' = n + z (h - n), however that is written."""
    h = delay.name
    for a, b in forms.pairs(delay.value, graph.Sum):
        for g, d in forms.pairs(b, graph.Product):
            first, second = forms.difference(d)
            gate = forms.gate(g)
            if gate is not None and a in (first, second) and h in (first, second) and a != first:
                other = first if a == second else second  # a + g (other - a)
                if a == h:
                    yield other, gate.rows(-np.eye(gate.bias.size))
                else:
                    yield a, gate
        for g, n in forms.pairs(a, graph.Product):
            for z, kept in forms.pairs(b, graph.Product):
                gate = forms.gate(z)
                opposite = forms.one_minus(g) == z or forms.one_minus(z) == g
                if kept == h and n != h and opposite and gate is not None:
                    yield n, gate
