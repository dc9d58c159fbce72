"""When values exist: inferred, checked, and kept by programs from step to step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from temporal_models import MODELS, Maker, sensor, sequences

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.interp import Interpreter
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Model, Output
from rnn2c.ir.program import Program
from rnn2c.ir.temporal import Times, infer_times
from rnn2c.pipeline import (
    QuantizeOptions,
    compile_float32,
    compile_model,
    lower_model,
    prepare,
)
from rnn2c.target import load_target

HOST = load_target("host")


def integer_program(model: Model) -> Program:
    return compile_model(model, sequences(model), HOST, QuantizeOptions()).program


def test_strides_multiply_and_waits_add_up() -> None:
    m = Maker(0, 2)
    m.conv("a", "x", 2, 5, stride=2)
    m.conv("b", "a", 2, 3, dilation=2, pads=(1, 0), stride=3)
    m.gru("c", "b", 2)
    times = infer_times(m.model("c"))
    assert times["a"] == Times(4, 2)
    assert times["b"] == times["c"] == Times(4 + 2 * 3, 6)


@pytest.mark.parametrize("name", MODELS)
def test_programs_have_rows_where_the_model_has(name: str) -> None:
    model = MODELS[name]()
    for program in (compile_float32(model, HOST).program, integer_program(model)):
        for steps in (5, 6, 7, 24):
            x = {"x": sequences(model, 24).sequences[0]["x"][:steps]}
            wanted, got = model.run(x), program.run(x)
            for output in wanted:
                assert got[output].shape == wanted[output].shape
                if program.is_float:
                    assert np.allclose(got[output], wanted[output], atol=1e-5)


def test_values_of_different_times_do_not_combine() -> None:
    m = Maker(0, 2)
    m.conv("a", "x", 2, 2, stride=2)
    m.layers.append(graph.Sum(name="s", inputs=("x", "a")))
    with pytest.raises(UnsupportedError, match="'x' from step 0 every 1, 'a' from step 1 every 2"):
        check_model(m.model("s"))


def test_outputs_at_different_times_are_refused() -> None:
    m = Maker(0, 2)
    m.conv("a", "x", 2, 2, stride=2)
    model = m.model("a", "x")
    with pytest.raises(UnsupportedError, match="outputs come at different time steps"):
        compile_float32(model, HOST)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"pads": (3, 0)}, "at most 2 are supported"),
        ({"pads": (-1, 0)}, "negative padding"),
        ({"pads": (1, 2)}, "only padding that keeps the number of steps"),
        ({"pads": (1, 1), "stride": 2}, "with stride 2"),
        ({"stride": 0}, "stride 0"),
        ({"groups": 3}, "3 groups of 4 features"),
    ],
)
def test_unfit_convolutions_are_refused(more: dict[str, int], text: str) -> None:
    m = Maker(0, 4)
    m.conv("a", "x", 4, 3)
    layer = replace(m.layers[0], **more)  # type: ignore[arg-type]
    model = m.model("a").with_layers((layer,))
    with pytest.raises(Rnn2cError, match=text):
        check_model(model)


def test_too_short_a_sequence_is_refused() -> None:
    model = sensor()
    x = {"x": np.zeros((4, 3))}
    with pytest.raises(Rnn2cError, match="4 steps are too few for a kernel that spans 5"):
        model.run(x)
    with pytest.raises(Rnn2cError, match="ends before the first output"):
        compile_float32(model, HOST).program.run(x)


@pytest.mark.parametrize("name", MODELS)
def test_save_and_restore_in_the_middle_of_a_phase(name: str) -> None:
    """A fresh machine at every step."""
    model = MODELS[name]()
    program = integer_program(model)
    x = program.inputs[0].format.quantize(sequences(model, 17).sequences[0]["x"])
    straight, hopping = Interpreter(program), Interpreter(program)
    for machine in (straight, hopping):
        machine.init({})
    for t in range(17):
        state = hopping.state()
        hopping = Interpreter(program)
        hopping.restore(state)
        row = {program.inputs[0].buffer: x[t : t + 1]}
        wanted, got = straight.step(row), hopping.step(row)
        assert (wanted is None) == (got is None)
        for key in wanted or {}:
            assert np.array_equal(wanted[key], got[key])  # type: ignore[index]
    finals = straight.finish()
    for key, value in hopping.finish().items():
        assert np.array_equal(value, finals[key])


def test_a_batch_is_the_same_as_one_after_the_other() -> None:
    model = MODELS["every step"]()
    program = integer_program(model)
    data = sequences(model).sequences
    batch = program.run({"x": np.stack([s["x"] for s in data])})
    for k, sequence in enumerate(data):
        for name, rows in program.run(sequence).items():
            assert np.array_equal(rows, batch[name][k])


def test_a_mean_refuses_more_steps_than_its_sum_holds() -> None:
    m = Maker(0, 1)
    m.reduce("y", "x", "mean")
    model = m.model("y")
    program = integer_program(model)
    most = program.most_steps
    assert most in range(1, 65536)
    counter, _ = program.step_until[0]
    machine = Interpreter(program)
    machine.init({})
    machine.memory[counter][:] = most - 1
    row = {program.inputs[0].buffer: np.zeros((1, 1), np.int64)}
    machine.step(row)
    with pytest.raises(Rnn2cError, match=f"at most {most} steps"):
        machine.step(row)


def test_a_mean_of_extreme_values_is_exact() -> None:
    m = Maker(0, 1)
    m.reduce("y", "x", "mean")
    program = integer_program(m.model("y"))
    form = program.inputs[0].format
    for steps in (1, 2, 3, 7, 300):
        for ends in ((form.lo, form.lo), (form.hi, form.hi), (form.lo, form.hi)):
            x = np.resize(np.array(ends), steps)[:, None]
            wanted = np.floor(x.mean() + 0.5)
            assert program.run_integer({"x": x})["y_out"][0] == wanted


def test_the_last_step_is_not_moved_in_front_of_a_convolution() -> None:
    m = Maker(0, 2)
    m.conv("a", "x", 2, 3, pads=(2, 0))
    m.last("y", "a")
    assert [type(p).__name__ for p in prepare(m.model("y")).layers] == ["Conv1d", "LastStep"]


@pytest.mark.parametrize(("pads", "layers"), [((0, 0), 1), ((2, 0), 2)])
def test_an_offset_in_front_of_padding_is_not_folded(pads: tuple[int, int], layers: int) -> None:
    m = Maker(0, 2)
    affine = graph.Affine(
        name="norm", inputs=("x",), scale=np.array([0.5, 0.7]), offset=np.array([0.3, -0.2])
    )
    m.layers.append(affine)
    m.sizes["norm"] = 2
    m.conv("y", "norm", 3, 3, pads=pads)
    model = m.model("y")
    prepared = prepare(model)
    assert len(prepared.layers) == layers
    x = sequences(model).sequences[0]
    assert np.allclose(prepared.run(x)["y_out"], model.run(x)["y_out"])


def test_rings_and_clocks_are_proven() -> None:
    """A program whose ring or counter is wrong is refused."""
    from rnn2c.errors import RangeError
    from rnn2c.ir.program import Row, When
    from rnn2c.proof import verify_ranges

    program = integer_program(sensor())
    when = next(op for op in program.step if isinstance(op, When))
    others = tuple(op for op in program.step if op is not when)
    row = next(op for op in when.body if isinstance(op, Row))
    broken = {
        "no row 5": replace(when, body=(replace(row, back=row.ring.rows), *when.body)),
        "is no row that": replace(when, body=tuple(op for op in when.body if op is not row)),
        "no counter": replace(when, clock=replace(when.clock, every=when.clock.every + 1)),
    }
    for text, op in broken.items():
        with pytest.raises(RangeError, match=text):
            verify_ranges(replace(program, step=(*others, op)))


def test_the_model_is_shown_with_its_times() -> None:
    from rnn2c.ir.model_text import model_text
    from rnn2c.ir.program_text import program_text

    text = model_text(sensor())
    assert "Conv1d (kernel 5, stride 2) of x" in text
    assert "defines front [6] per step 4, 6, ..." in text
    assert "at steps 4, 6, ... (clock):" in program_text(integer_program(sensor()))


def test_names_of_outputs_do_not_matter() -> None:
    model = sensor()
    renamed = replace(model, outputs=(Output("rows", "y"),))
    assert lower_model(renamed, HOST).outputs[0].buffer != "rows"
