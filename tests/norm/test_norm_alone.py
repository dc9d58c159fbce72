"""Layer normalization and log softmax by themselves: errors, constant vectors, the same bits in C.

Errors are measured against the float Model of what the input's integers stand for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn2c.calibration import SequenceSet, as_sequence_set
from rnn2c.errors import Rnn2cError
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Input, Layer, Model, Output
from rnn2c.ir.model_text import model_text
from rnn2c.ir.program import Program
from rnn2c.ir.program_text import program_text
from rnn2c.passes import fold_affine, sink_last_step
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model, emit
from rnn2c.target import load_target
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

SIZES = (1, 7, 100)
SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))
NORM_ERROR, LOG_ERROR = 1.5e-4, 1.5e-3
"""Of a normalization relative to sqrt(n), the largest result there can be; of a logarithm."""


def norm(size: int, *, centred: bool = True, epsilon: float = 1e-5) -> Model:
    rng = np.random.default_rng(size)
    gain, bias = rng.normal(size=size), rng.normal(size=size)
    layer = graph.LayerNorm(
        name="f", inputs=("x",), gain=gain, bias=bias, epsilon=epsilon, centred=centred
    )
    return alone(layer, size)


def alone(layer: Layer, size: int) -> Model:
    return Model("alone", (Input("x", size),), (layer,), (Output("y", "f"),))


def log_softmax(size: int) -> Model:
    return alone(graph.LogSoftmax(name="f", inputs=("x",)), size)


def data(size: int, scale: float = 1.0, offset: float = 0.0, steps: int = 60) -> SequenceSet:
    rng = np.random.default_rng(7)
    return SequenceSet(({"x": rng.normal(offset, scale, (steps, size))},))


def compiled(model: Model, samples: SequenceSet, target: str = "host", **options: str) -> Program:
    if options.pop("precision", "") == "float32":
        return compile_float32(model, load_target(target)).program
    chosen = QuantizeOptions(**options)  # type: ignore[arg-type]
    return compile_model(model, samples, load_target(target), chosen).program


def error(model: Model, program: Program, samples: SequenceSet) -> float:
    """The largest difference, rounding of input and output left out."""
    form = program.inputs[0].format
    x = form.dequantize(form.quantize(samples.sequences[0]["x"]))
    off = np.abs(model.run({"x": x})["y"] - program.run({"x": x})["y"]).max()
    return float(off - program.outputs[0].format.scale)


@pytest.mark.parametrize(("scale", "profile"), [(1e-3, "accurate"), (300.0, "compact")])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_error_of_a_normalization(size: int, centred: bool, scale: float, profile: str) -> None:
    model, samples = norm(size, centred=centred), data(size, scale, 0.5 * scale)
    program = compiled(model, samples, profile=profile)
    largest = float(np.sqrt(size) * np.abs(model.layers[0].gain).max())  # type: ignore[attr-defined]
    assert error(model, program, samples) <= NORM_ERROR * largest


@pytest.mark.parametrize("scale", [0.1, 3.0, 20.0])
@pytest.mark.parametrize("size", SIZES)
def test_error_of_a_logarithm(size: int, scale: float) -> None:
    model, samples = log_softmax(size), data(size, scale)
    program = compiled(model, samples)
    reach = float(np.abs(model.run(samples.sequences[0])["y"]).max())
    assert error(model, program, samples) <= LOG_ERROR + reach * 2**-13


@pytest.mark.parametrize("activations", ["int8", "int16"])
@pytest.mark.parametrize("epsilon", [0.0, 1e-12, 1e-5, 10.0, 1e5])
def test_constant_vectors_give_the_bias(epsilon: float, activations: str) -> None:
    """Nothing is divided by zero, and what rounding leaves of a deviation is not blown up."""
    model, samples = norm(7, epsilon=epsilon), data(7)
    program = compiled(model, samples, activations=activations)
    flat = np.repeat(np.linspace(-3, 3, 25)[:, None], 7, axis=1)
    bias = model.layers[0].bias  # type: ignore[attr-defined]
    for run in (model.run, program.run):
        assert np.abs(run({"x": flat})["y"] - bias).max() <= program.outputs[0].format.scale


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 0.1])
def test_epsilon_counts_where_vectors_are_nearly_constant(epsilon: float) -> None:
    """Calibrated on wide vectors, run on vectors of a few steps: the same as in float."""
    model = norm(16, epsilon=epsilon)
    wide, rng = data(16), np.random.default_rng(1)
    program = compiled(model, wide, activations="int16")
    narrow = SequenceSet(({"x": 1.0 + rng.normal(size=(40, 16)) * 0.01},))
    assert error(model, program, narrow) <= 4e-3
    assert np.abs(model.run(narrow.sequences[0])["y"]).max() > 0.1


def test_a_vector_scaled_down_keeps_its_shape() -> None:
    """The bits of a deviation do not depend on how large it is."""
    model = norm(16, epsilon=0.0)
    program = compiled(model, data(16), activations="int16")
    shape = np.round(np.random.default_rng(2).normal(size=16) * 50)
    shape -= shape.sum() / 16
    step = program.inputs[0].format.scale
    for times in (1, 8, 64, 256):
        x = np.round(shape * times) * step
        exact = model.run({"x": x[None]})["y"]
        assert np.abs(program.run({"x": x[None]})["y"] - exact).max() <= 4e-3


@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(1, 40), offset=st.floats(-50, 50), scale=st.floats(1e-3, 100),
    centred=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_program_is_proven_and_close(
    size: int, offset: float, scale: float, centred: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    model = norm(size, centred=centred, epsilon=float(10.0 ** rng.integers(-9, 2)))
    samples = SequenceSet(({"x": rng.normal(offset, scale, (20, size))},))
    program = compiled(model, samples)
    largest = float(np.sqrt(size) * np.abs(model.layers[0].gain).max())  # type: ignore[attr-defined]
    x = samples.sequences[0]["x"]
    steps = scale / program.inputs[0].format.scale
    fine = NORM_ERROR if not centred else max(NORM_ERROR, 0.01 / max(steps, 1e-9))
    assert error(model, program, samples) <= 2 * fine * largest
    assert np.all(np.isfinite(program.run({"x": 1e6 * x})["y"]))


FORMS: dict[str, dict[str, str]] = {
    "accurate": {},
    "compact": {"profile": "compact"},
    "int16": {"activations": "int16"},
    "float32": {"precision": "float32"},
}


def check(model: Model, program: Program, folder: Path, *builds: BuildOptions) -> None:
    emit(program, folder)
    size = model.inputs[0].size
    usual = [*data(size, steps=6).sequences, {"x": np.full((3, size), 0.7)}]
    sequences = [*raw_sequences(program, usual), *stress_sequences(program, 6)]
    for build in builds:
        report = verify(program, folder, sequences, build=build)
        assert report.agrees, report.to_json()
        assert program.is_float or report.bit_exact


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "size"), [("norm", 1), ("norm", 48), ("root mean square", 7), ("logarithm", 48)]
)
def test_c_equals_the_reference(kind: str, form: str, size: int, tmp_path: Path) -> None:
    model = log_softmax(size) if kind == "logarithm" else norm(size, centred=kind == "norm")
    program = compiled(model, data(size), **FORMS[form])
    check(model, program, tmp_path, SANITIZED, BuildOptions("clang", "-O3"))


@pytest.mark.parametrize(
    ("target", "form"),
    [
        ("cortex-m4", "accurate"),
        ("cortex-m4", "float32"),
        ("atmega328p", "compact"),
        ("atmega328p", "int16"),
        ("atmega2560", "float32"),
    ],
)
def test_on_chips(target: str, form: str, tmp_path: Path) -> None:
    both = norm(10).layers[0], graph.LogSoftmax(name="log", inputs=("f",))
    model = Model("both", (Input("x", 10),), both, (Output("y", "f"), Output("p", "log")))
    check(model, compiled(model, data(10), target, **FORMS[form]), tmp_path, BuildOptions())


@pytest.mark.parametrize("size", SIZES)
def test_float32_is_close(size: int) -> None:
    for model in (norm(size), norm(size, centred=False), log_softmax(size)):
        program = compiled(model, data(size), precision="float32")
        x = data(size).sequences[0]
        np.testing.assert_allclose(program.run(x)["y"], model.run(x)["y"], atol=1e-5)


def test_it_moves_behind_the_last_step_and_takes_up_a_scale() -> None:
    model = norm(7)
    twice = graph.Affine(name="a", inputs=("f",), scale=np.full(7, 2.0), offset=np.ones(7))
    last = graph.LastStep(name="last", inputs=("a",))
    made = Model("m", model.inputs, (*model.layers, twice, last), (Output("y", "last"),))
    small = fold_affine(sink_last_step(made))
    check_model(small)
    assert [type(p).__name__ for p in small.layers] == ["LastStep", "LayerNorm"]
    x = data(7).sequences[0]
    np.testing.assert_allclose(small.run(x)["y"], made.run(x)["y"], atol=1e-12)


def test_texts() -> None:
    model = norm(7, centred=False)
    assert "LayerNorm (epsilon 1e-05, not centred) of x" in model_text(model)
    text = program_text(compiled(model, data(7)))
    assert "f_total[0] = add_square(f_total[0], f_away[k], 3) for k = 0 .. 6" in text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"epsilon": -1.0}, "epsilon -1 is no small number"),
        ({"epsilon": float("nan")}, "epsilon nan"),
        ({"gain": np.ones(6)}, r"gain has shape \[6\], expected \[7\]"),
        ({"bias": np.full(7, np.inf)}, r"bias\[0\] is inf"),
    ],
)
def test_models_that_are_refused(change: dict[str, object], text: str) -> None:
    (layer,) = norm(7).layers
    with pytest.raises(Rnn2cError, match=text):
        check_model(alone(replace(layer, **change), 7))  # type: ignore[arg-type]


def test_what_integers_cannot_hold_is_refused() -> None:
    with pytest.raises(Rnn2cError, match="normalizes 5000 > 4096 features"):
        compiled(norm(5000), data(5000, steps=2))
    tiny = as_sequence_set({"x": np.full((1, 4, 7), 1e-9)}, norm(7))
    with pytest.raises(Rnn2cError, match="is far above the squares of its input"):
        compiled(norm(7, epsilon=1e5), tiny)
