"""One recurrent ONNX node in every variation of its attributes and optional inputs.

A Variant says how a node differs from the plain node of its cell and direction; `case` makes the
model, with inputs and with what onnxruntime computes.  The rule: a variant changes one thing (the
mixed ones several, drawn at random), so a failure names its culprit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
from conform import Case
from node_cases import described
from onnx import helper, numpy_helper

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DIRECTIONS = ("forward", "reverse", "bidirectional")
FEATURES, UNITS, STEPS = 3, 4, 5
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
PLAIN = ("Sigmoid", "Tanh", "Relu", "Softsign", "Softplus")
PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "HardSigmoid": (0.3, 0.4),
    "LeakyRelu": (0.2, None),
    "Affine": (0.6, 0.1),
    "ThresholdedRelu": (0.3, None),
    "ScaledTanh": (0.8, 0.7),
    "Elu": (0.7, None),
}
WITHOUT_DEFAULTS = ("Affine", "ThresholdedRelu", "ScaledTanh")
OUTPUTS = {"LSTM": ("Y", "Y_h", "Y_c"), "GRU": ("Y", "Y_h"), "RNN": ("Y", "Y_h")}


@dataclass(frozen=True)
class Variant:
    """attributes: of the node; inputs: optional inputs it has (B, P, lens, h, c: constants; h_in,
    c_in: model inputs); same: it computes what the plain node does.
    """

    cell: str
    direction: str
    change: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ("B",)
    outputs: tuple[str, ...] = ("Y", "Y_h")
    length: int = STEPS
    same: bool = False

    def __str__(self) -> str:
        return f"{self.cell}-{self.direction}-{self.change}"

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1


def variants() -> list[Variant]:
    """All of them, the plain node of every cell and direction first."""
    found = []
    for cell in GATES:
        for direction in DIRECTIONS:
            found.append(Variant(cell, direction, "plain", outputs=OUTPUTS[cell]))
            found += _inputs_and_outputs(cell, direction)
            found += _numbers(cell, direction)
            found += _activations(cell, direction)
            found += _mixed(cell, direction)
    return found


def _inputs_and_outputs(cell: str, direction: str) -> Iterator[Variant]:
    shown = OUTPUTS[cell]
    for mask in range(1, 2 ** len(shown) - 1):
        chosen = tuple(n for k, n in enumerate(shown) if mask >> k & 1)
        yield Variant(cell, direction, f"only {chosen}", outputs=chosen, same=True)
    yield Variant(cell, direction, "no bias", inputs=(), outputs=shown)
    states = ("h", "c") if cell == "LSTM" else ("h",)
    for state in states:
        yield Variant(cell, direction, f"constant {state}", inputs=("B", state), outputs=shown)
        yield Variant(
            cell, direction, f"{state} as input", inputs=("B", f"{state}_in"), outputs=shown
        )
    if cell == "LSTM":
        both = tuple(f"{s}_in" for s in states)
        yield Variant(cell, direction, "peepholes", inputs=("B", "P"), outputs=shown)
        yield Variant(cell, direction, "h and c as inputs", inputs=("B", *both), outputs=shown)
    for length in (1, 3, STEPS):
        yield Variant(
            cell, direction, f"length {length}", inputs=("B", "lens"), outputs=shown,
            length=length, same=length == STEPS,
        )  # fmt: skip


def _numbers(cell: str, direction: str) -> Iterator[Variant]:
    shown = OUTPUTS[cell]
    for clip in (0.25, 1.0, 99.0):
        yield Variant(
            cell, direction, f"clip {clip:g}", {"clip": clip}, outputs=shown, same=clip == 99.0
        )
    yield Variant(cell, direction, "layout 1", {"layout": 1}, outputs=shown, same=True)
    if cell == "GRU":
        yield Variant(cell, direction, "linear_before_reset", {"linear_before_reset": 1})
    if cell == "LSTM":
        yield Variant(cell, direction, "input_forget", {"input_forget": 1}, outputs=shown)


def _activations(cell: str, direction: str) -> Iterator[Variant]:
    """Every function at every position, with the parameters it has by default (where runtimes agree
    on them) and with others; in a bidirectional node in the first and in the second direction by
    turns.
    """
    count = 0
    for position, default in enumerate(DEFAULTS[cell]):
        for function in (*PLAIN, *PARAMETERS):
            for given in (False, True) if function in PARAMETERS else (False,):
                if function == default or (direction == "reverse" and given):
                    continue
                if function in WITHOUT_DEFAULTS and not given:
                    continue
                names = list(DEFAULTS[cell])
                if direction == "bidirectional":
                    names *= 2
                    count += 1
                place = position + (len(DEFAULTS[cell]) if count % 2 else 0)
                names[place] = function
                attributes = {"activations": names, **(_given([names[place]]) if given else {})}
                change = f"{function}{' given' if given else ''} at {place}"
                yield Variant(cell, direction, change, attributes, outputs=OUTPUTS[cell])


def _given(names: list[str]) -> dict[str, list[float]]:
    """alpha and beta of functions that have them, in their order."""
    parameters = [PARAMETERS[n] for n in names if n in PARAMETERS]
    alpha = [a for a, _ in parameters if a is not None]
    beta = [b for _, b in parameters if b is not None]
    return {k: v for k, v in (("activation_alpha", alpha), ("activation_beta", beta)) if v}


def _mixed(cell: str, direction: str, count: int = 8) -> Iterator[Variant]:
    """Several changes at once, drawn at random."""
    rng = np.random.default_rng([len(cell), len(direction), 7])
    functions = ("Sigmoid", "Tanh", "HardSigmoid", "ScaledTanh", "Softsign", "Relu")
    for number in range(count):
        names = list(
            rng.choice(
                functions,
                len(DEFAULTS[cell]) * (direction == "bidirectional") + len(DEFAULTS[cell]),
            )
        )
        attributes: dict[str, Any] = {"activations": names, **_given(names)}
        if rng.random() < 0.5:
            attributes["clip"] = float(rng.choice((0.3, 0.8, 2.0)))
        if cell == "GRU":
            attributes["linear_before_reset"] = int(rng.integers(2))
        if cell == "LSTM":
            attributes["input_forget"] = int(rng.integers(2))
        optional = ["B", "lens", "h", "c", "P"] if cell == "LSTM" else ["B", "lens", "h"]
        inputs = tuple(n for n in optional if rng.random() < 0.5)
        length = int(rng.integers(1, STEPS + 1)) if "lens" in inputs else STEPS
        yield Variant(cell, direction, f"mixed {number}", attributes, inputs, OUTPUTS[cell], length)


SLOTS = ("B", "lens", "h", "c", "P")
TENSORS = {"B": "B", "lens": "sequence_lens", "h": "initial_h", "c": "initial_c", "P": "P"}


def case(variant: Variant) -> Case:
    """The model with inputs and onnxruntime's outputs."""
    arrays, fed, wanted = _arrays(variant), _fed(variant), _computed(variant)
    if variant.attributes.get("layout"):
        fed = {k: np.swapaxes(a, 0, 1) for k, a in fed.items()}
        wanted = {k: _batch_first(a) for k, a in wanted.items()}
    return Case(str(variant), _proto(variant, arrays, fed, wanted), fed, wanted)


def _batch_first(array: np.ndarray) -> np.ndarray:
    """Y [T, D, 1, n] becomes [1, T, D, n], a state [D, 1, n] becomes [1, D, n]."""
    return np.moveaxis(array, -2, 0)


def plain(variant: Variant) -> Variant:
    """The node that it is a variation of."""
    return Variant(variant.cell, variant.direction, "plain", outputs=OUTPUTS[variant.cell])


@cache
def _weights(cell: str) -> dict[str, np.ndarray]:
    """For two directions; those of one are the first."""
    rng = np.random.default_rng(len(cell))
    rows = GATES[cell] * UNITS
    shapes = {
        "W": (2, rows, FEATURES),
        "R": (2, rows, UNITS),
        "B": (2, 2 * rows),
        "P": (2, 3 * UNITS),
        "initial_h": (2, 1, UNITS),
        "initial_c": (2, 1, UNITS),
        "X": (STEPS, 1, FEATURES),
    }
    drawn = {k: (0.6 * rng.standard_normal(s)).astype(np.float32) for k, s in shapes.items()}
    return {**drawn, "initial_h": np.tanh(drawn["initial_h"])}  # what a hidden state can be


def _arrays(variant: Variant) -> dict[str, np.ndarray]:
    """The initializers."""
    known = {k: a[: variant.directions] for k, a in _weights(variant.cell).items()}
    known["sequence_lens"] = np.array([variant.length], np.int32)
    constant = [TENSORS[k] for k in SLOTS if k in variant.inputs]
    return {k: known[k] for k in ("W", "R", *constant)}


def _fed(variant: Variant) -> dict[str, np.ndarray]:
    known = _weights(variant.cell)
    states = [k for k in ("h", "c") if f"{k}_in" in variant.inputs]
    found = {TENSORS[k]: known[TENSORS[k]][: variant.directions] for k in states}
    return {"X": 2 * known["X"], **found}


def _proto(variant: Variant, arrays: Mapping, fed: Mapping, wanted: Mapping) -> onnx.ModelProto:
    present = {*arrays, *fed}
    optional = [TENSORS[k] if TENSORS[k] in present else "" for k in SLOTS]
    inputs = ["X", "W", "R", *optional]
    allowed = {"LSTM": 8, "GRU": 6, "RNN": 6}[variant.cell]
    node = helper.make_node(
        variant.cell,
        inputs[:allowed],
        [n if n in variant.outputs else "" for n in OUTPUTS[variant.cell]],
        hidden_size=UNITS,
        direction=variant.direction,
        **variant.attributes,
    )
    graph = helper.make_graph(
        [node],
        "node",
        [described(k, a) for k, a in fed.items()],
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in variant.outputs],
        [numpy_helper.from_array(a, k) for k, a in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def _computed(variant: Variant) -> dict[str, np.ndarray]:
    """What onnxruntime gives; it has no layout 1, so that is left out here."""
    attributes = {k: v for k, v in variant.attributes.items() if k != "layout"}
    first = Variant(
        variant.cell, variant.direction, variant.change, attributes, variant.inputs,
        variant.outputs, variant.length,
    )  # fmt: skip
    fed = _fed(variant)
    proto = _proto(first, _arrays(variant), fed, {})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return dict(zip(variant.outputs, session.run(list(variant.outputs), fed), strict=True))
