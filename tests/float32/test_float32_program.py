"""Float32 Programs in the interpreter: what they compute, what they refuse, what is checked."""

from __future__ import annotations

import dataclasses
import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from core_models import cell_model, data, integer
from float_models import MODELS, RAW, check_outputs, heads, program, sequence

import rnn2c
from rnn2c.arith_tree import REALS, parse, tree
from rnn2c.errors import RangeError, Rnn2cError, TooLargeError, UnsupportedError
from rnn2c.execute import from_raw
from rnn2c.ir.functions import FUNCTIONS
from rnn2c.ir.graph import Tensor
from rnn2c.ir.program import Call, Dot, Program, Reduce, Stage, Store
from rnn2c.ir.program_text import program_text
from rnn2c.packing import PACKINGS
from rnn2c.pipeline import compile_float32
from rnn2c.proof import verify_ranges
from rnn2c.target import load_target
from rnn2c.validate.compare import largest_error
from rnn2c.validate.verify import reference

HOST = load_target("host")

# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_program_computes_what_the_model_means(name: str) -> None:
    model = MODELS[name]()
    inputs = sequence(model, 40)
    check_outputs(model.run(inputs), program(name).run(inputs))


def test_a_batch_is_its_sequences() -> None:
    made = program("classifier")
    x = np.random.default_rng(0).normal(size=(4, 7, 3))
    together = made.run({"x": x})
    for k in range(4):
        alone = made.run({"x": x[k]})
        assert all(np.array_equal(together[n][k], alone[n]) for n in alone)


def test_a_quantized_weight_counts_as_what_it_stands_for() -> None:
    model = cell_model("gru")
    quantized = integer(model)
    real = dataclasses.replace(quantized, numerics=None)
    inputs = sequence(model)
    check_outputs(real.run(inputs), compile_float32(real, HOST).program.run(inputs))


def test_extreme_inputs_stay_finite() -> None:
    """A warning of numpy about an overflow is an error in this suite."""
    made = program("heads")
    for value in (1e4, -1e4):
        result = made.run({"x": np.full((3, 3), value)})
        assert all(np.isfinite(a).all() for a in result.values())


def test_counts_become_an_input() -> None:
    made = program("lstm_cell")
    counts = np.array([[-32768, 0, 32767]])
    got = from_raw(made, counts)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, (counts + 100.0) * 0.001, rtol=1e-6)
    assert RAW.scale == (0.001,)


def test_every_primitive_of_the_cells_and_heads_is_used() -> None:
    """Those of the elementwise layers are compared with their functions in tests/pointwise, those
    of masks in tests/window and tests/keras, those of norms and extremes beside their layers.
    """
    used = {"affine_f32"}
    for name in MODELS:
        for op in program(name).operations():
            calls = [op.function] if isinstance(op, Reduce) else []
            if isinstance(op, Stage):
                calls = [i.primitive for i in op.body if isinstance(i, Call)]
            used |= set(calls)
    elementwise = {f"{name}_f32" for name in FUNCTIONS if name not in ("relu", "sigmoid", "tanh")}
    elementwise |= {"scale_f32", "subtract_f32", "steps_f32", "hold_f32", "differs_f32"}
    elementwise |= {"other_f32", "smallest_f32", "log_below_f32"}
    elementwise |= {"add_square_f32", "deviation_f32", "normal_f32"}
    assert used >= {p.__name__ for p in REALS} - elementwise


# -- the API --------------------------------------------------------------------------------------


def test_the_api_compiles_a_float_model_to_float32() -> None:
    model = heads()
    made = rnn2c.compile(model, "cortex-m4", input_scale=0.5)
    assert made.is_float
    assert made.raw_input is not None
    inputs = sequence(model)
    check_outputs(model.run(inputs), made.run(inputs))
    assert not rnn2c.compile(rnn2c.quantize(model, data(model)), "cortex-m4").is_float


def test_raw_integers_are_refused() -> None:
    with pytest.raises(Rnn2cError, match=r"computes in float32, it takes no raw integers; use run"):
        program("lstm_cell").run_integer({"x": np.zeros((1, 3), np.int64)})


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_an_input_that_float32_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(Rnn2cError, match="input 'x' holds NaN or infinity"):
        program("lstm_cell").run({"x": np.full((2, 3), value)})


def test_a_weight_beyond_float32_is_refused() -> None:
    model = cell_model("lstm")
    (layer,) = model.layers
    large = dataclasses.replace(layer, w_ih=Tensor(np.full((20, 3), 1e39)))
    with pytest.raises(UnsupportedError, match=r"layer 'rnn': a weight matrix holds 1e\+39"):
        compile_float32(dataclasses.replace(model, layers=(large,)), HOST)


def test_a_model_that_does_not_fit_is_told_what_would() -> None:
    model = cell_model("lstm", 3, 50)
    with pytest.raises(TooLargeError, match="--precision int would fit"):
        compile_float32(model, load_target("atmega328p"))


# -- identity and text ----------------------------------------------------------------------------


def test_the_model_id_knows_every_weight() -> None:
    model = cell_model("lstm")
    (layer,) = model.layers
    moved = layer.w_ih.data.copy()
    moved[0, 0] = np.nextafter(np.float32(moved[0, 0]), np.float32(9))
    other = dataclasses.replace(model, layers=(dataclasses.replace(layer, w_ih=Tensor(moved)),))
    ids = {compile_float32(m, HOST).program.model_id for m in (model, other)}
    assert len(ids) == 2
    assert compile_float32(model, load_target("atmega2560")).program.model_id in ids


def test_text_shows_no_ranges_of_reals() -> None:
    text = program_text(program("heads"))
    assert "x: f32[3], input: model input 'x'" in text
    assert "label: i8[1], output, in [0, 2]" in text


# -- what is checked ------------------------------------------------------------------------------


def spoiled(made: Program, index: int, **changes: object) -> Program:
    """The program with fields of one operation of step replaced."""
    step = list(made.step)
    step[index] = dataclasses.replace(step[index], **changes)  # type: ignore[type-var]
    return dataclasses.replace(made, step=tuple(step))


def test_the_shape_of_a_program_is_checked() -> None:
    made = program("lstm_cell")
    assert verify_ranges(made) == {}
    (stage,) = made.step
    assert isinstance(stage, Stage)
    with pytest.raises(RangeError, match=r"expected \[6, 4, 3\]"):
        verify_ranges(spoiled(made, 0, units=6))
    dot = stage.body[0]
    assert isinstance(dot, Dot)
    short = dataclasses.replace(dot.segments[0], size=2)
    other = dataclasses.replace(dot, segments=(short, *dot.segments[1:]))
    with pytest.raises(RangeError, match="for 2 elements of x"):
        verify_ranges(spoiled(made, 0, body=(other, *stage.body[1:])))


def test_a_real_number_is_no_integer() -> None:
    made = program("heads")
    index = next(k for k, op in enumerate(made.step) if op.title == "s: sigmoid")
    stage = made.step[index]
    assert isinstance(stage, Stage)
    body = (*stage.body, Call("q", "sat8", ("y",)))
    with pytest.raises(RangeError, match="sat8: a real number where i32 is expected"):
        verify_ranges(spoiled(made, index, body=body))
    store = Store(dataclasses.replace(stage.stores[0].element, buffer="label", stride=0), "y")
    with pytest.raises(RangeError, match="y is stored in label of type i8"):
        verify_ranges(spoiled(made, index, stores=(store,)))
    fold = next(k for k, op in enumerate(made.step) if isinstance(op, Reduce))
    with pytest.raises(RangeError, match="largest does not give the f32"):
        verify_ranges(spoiled(made, fold, function="largest"))


def test_the_order_of_the_stream_is_that_of_dense8() -> None:
    matrices = tuple(m for m in program("stacked").weights[0].matrices)
    packing = PACKINGS["dense_f32"]
    stream = packing.pack(matrices)
    assert stream.dtype == np.float32
    back = packing.unpack(stream, tuple(m.shape for m in matrices))
    assert all(np.array_equal(a, b) for a, b in zip(matrices, back, strict=True))
    assert stream[1] == matrices[0][0, 1, 0]


def test_the_subset_keeps_reals_and_integers_apart() -> None:
    assert tree("sigmoid_f32").library() == {"exp"}
    cases = (("i32", "x / 2"), ("f32", "x >> 2"), ("i32", "exp(x)"), ("i32", "x + 0.5"))
    for type_, bad in (*cases, ("f32", "1.0 + exp(x)")):
        with pytest.raises(TypeError, match=f"in a statement of type {type_}"):
            parse(_function(f"def f(x: {type_}) -> {type_}:\n    return {bad}\n"))


def _function(text: str) -> Callable[..., object]:
    """A function whose source inspect finds."""
    name = f"<{hash(text)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    scope: dict[str, Any] = {"i32": object, "f32": object}
    exec(compile(text, name, "exec"), scope)
    return scope["f"]


def test_a_difference_that_is_not_finite_is_the_largest() -> None:
    made = program("lstm_cell")
    wanted = reference(made, {"x": np.zeros((2, 3), np.float32)})
    outputs = {"y": np.array(wanted.outputs["y"])}
    assert largest_error([wanted], [wanted]) == 0.0
    outputs["y"][1, 2] = np.nan
    assert largest_error([wanted], [dataclasses.replace(wanted, outputs=outputs)]) == np.inf
