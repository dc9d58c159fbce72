"""ONNX layers in reverse and in both directions, with lengths and states, equal onnxruntime.

Every import is cross-checked: a difference from onnxruntime beyond 1e-5 is an error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph, window
from rnn2c.ir.graph import Model

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, INPUTS, UNITS = 5, 3, 2


def node_model(
    operator: str, direction: str, layout: int = 0, outputs: tuple[str, ...] = ("Y", "Y_h", "Y_c"),
    lengths: object = None, states: str = "", steps: object = STEPS, **attributes: object,
) -> onnx.ModelProto:  # fmt: skip
    """One node; lengths: a number, or "input"; states: "", "constant" or "input"."""
    rng = np.random.default_rng(1)
    count, gates = (2 if direction == "bidirectional" else 1), GATES[operator]
    shapes = {
        "W": (count, gates * UNITS, INPUTS), "R": (count, gates * UNITS, UNITS),
        "B": (count, 2 * gates * UNITS),
    }  # fmt: skip
    arrays = {n: rng.normal(0, 0.7, s).astype(np.float32) for n, s in shapes.items()}
    names = ["X", "W", "R", "B", "" if lengths is None else "lengths"]
    inputs = [_info("X", [steps, 1, INPUTS][::1] if not layout else [1, steps, INPUTS])]
    if lengths == "input":
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [1]))
    elif lengths is not None:
        arrays["lengths"] = np.array([lengths], np.int32)
    kinds = ("initial_h", "initial_c")[: 2 if operator == "LSTM" else 1] if states else ()
    for kind in kinds:
        shape = [1, count, UNITS] if layout else [count, 1, UNITS]
        names.append(kind)
        if states == "input":
            inputs.append(_info(kind, shape))
        else:
            arrays[kind] = rng.uniform(-0.8, 0.8, shape).astype(np.float32)
    shown = [o if o in outputs else "" for o in ("Y", "Y_h", "Y_c")][: 3 if "L" in operator else 2]
    node = helper.make_node(
        operator, names, shown, hidden_size=UNITS, direction=direction, layout=layout, **attributes
    )
    made = helper.make_graph(
        [node], "g", inputs,
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in shown if o],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _info(name: str, shape: list[object]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def loaded(folder: Path, *arguments: object, **options: object) -> Model:
    path = folder / "m.onnx"
    onnx.save(node_model(*arguments, **options), path)  # type: ignore[arg-type]
    model = load(path)
    assert model.cross_check.startswith("agrees with onnxruntime")
    return model


@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
@pytest.mark.parametrize("operator", GATES)
def test_every_output_of_both_directions(operator: str, direction: str, tmp_path: Path):
    model = loaded(tmp_path, operator, direction)
    ways = [p.direction for p in model.layers if isinstance(p, graph.Recurrent)]
    assert ways == (["reverse"] if direction == "reverse" else ["forward", "reverse"])
    assert "window" in model.rates().values()


@pytest.mark.parametrize("states", ["constant", "input"])
@pytest.mark.parametrize("length", [2, None])
@pytest.mark.parametrize("operator", GATES)
def test_lengths_and_states(operator: str, length: int | None, states: str, tmp_path: Path):
    options = {"clip": 0.9} if operator == "GRU" else {}
    loaded(tmp_path, operator, "bidirectional", lengths=length, states=states, **options)


def test_a_length_of_a_forward_layer_needs_no_window(tmp_path: Path):
    model = loaded(tmp_path, "LSTM", "forward", lengths=3)
    assert "window" not in model.rates().values()
    assert [p.steps for p in model.layers if isinstance(p, window.StepMask)] == [3]


def test_a_length_that_is_the_whole_sequence_is_no_mask(tmp_path: Path):
    model = loaded(tmp_path, "GRU", "bidirectional", lengths=STEPS)
    assert not any(isinstance(p, window.StepMask) for p in model.layers)


def test_own_activations_of_each_direction(tmp_path: Path):
    names = ["Sigmoid", "Tanh", "HardSigmoid", "Relu"]
    model = loaded(tmp_path, "GRU", "bidirectional", activations=names)
    found = [[f.function for f in p.activations] for p in model.layers
             if isinstance(p, graph.Recurrent)]  # fmt: skip
    assert found == [["sigmoid", "tanh"], ["hard_sigmoid", "relu"]]


@pytest.mark.parametrize("shown", ["Y", "Y_h"])
def test_batch_first(shown: str, tmp_path: Path):
    """onnxruntime refuses layout=1, so the same network with layout=0 is what is compared with."""
    x = np.random.default_rng(0).normal(size=(STEPS, INPUTS))
    found = []
    for layout in (0, 1):
        path = tmp_path / f"m{layout}.onnx"
        onnx.save(node_model("LSTM", "bidirectional", layout, (shown,), 3, "constant"), path)
        found.append(load(path, cross_check=False).run({"X": x}))
    assert found[0].keys() == found[1].keys()
    assert all(np.array_equal(found[0][n], found[1][n]) for n in found[0])


@pytest.mark.parametrize("steps", [STEPS, "T"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_a_length_that_is_an_input_is_the_number_of_calls(
    direction: str, steps: object, tmp_path: Path
):
    model = loaded(tmp_path, "LSTM", direction, lengths="input", steps=steps)
    assert [i.name for i in model.inputs] == ["X"]
    assert "'lengths', the length, is no input any more" in model.cross_check
    unchecked = load(tmp_path / "m.onnx", cross_check=False)
    assert unchecked.cross_check.startswith("not cross-checked; 'lengths', the length, is no input")


@pytest.mark.parametrize("shown", [True, False])
def test_a_length_that_is_read_elsewhere_is_refused(shown: bool, tmp_path: Path):
    model = node_model("GRU", "forward", lengths="input")
    name = "lengths"
    if not shown:
        model.graph.node.append(helper.make_node("Cast", ["lengths"], ["n"], to=1))
        name = "n"
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT32, [1]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(Rnn2cError, match="sequence_lens is computed, or an input that more than"):
        load(tmp_path / "m.onnx")


REFUSED = {
    "sequence_lens '9'; expected a length of at most all steps": {"lengths": 9},
    "sequence_lens 0: every output is zero; remove the node": {"lengths": 0},
    "direction 'sideways'; expected forward, reverse, bidirectional": {"direction": "sideways"},
    "6 activations .*; forward LSTM has 3": {"activations": ["Sigmoid", "Tanh", "Tanh"] * 2},
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals_say_what_to_do(message: str, tmp_path: Path):
    options = {"operator": "LSTM", "direction": "forward", **REFUSED[message]}
    path = tmp_path / "m.onnx"
    onnx.save(node_model(**options), path)  # type: ignore[arg-type]
    with pytest.raises(Rnn2cError, match=message):
        load(path, cross_check=False)
