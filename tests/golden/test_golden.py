"""The C of the step function and the text of both representations, compared with files.

The weights are fixed and simple, so that a reader can follow every line.  After a wanted change run
`pytest tests/golden --update-golden` and review the difference.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnn2c.calibration import SequenceSet
from rnn2c.emit import emit_c
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Layer, Model, Output, Tensor
from rnn2c.ir.model_text import model_text
from rnn2c.ir.program import Program
from rnn2c.ir.program_text import program_text
from rnn2c.lower import lower
from rnn2c.pipeline import prepare, quantize
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import load_target

FOLDER = Path(__file__).parent
MOST_LINES = 100


def ramp(rows: int, columns: int, top: float = 1.0) -> np.ndarray:
    """Numbers from -top to top, row by row."""
    return np.linspace(-top, top, rows * columns).reshape(rows, columns)


def cell(kind: type[graph.Recurrent], gates: int) -> Layer:
    """2 inputs, 2 units."""
    rows = 2 * gates
    return kind(
        name="rnn", inputs=("x",), w_ih=Tensor(ramp(rows, 2)), w_hh=Tensor(ramp(rows, 2, 0.75)),
        b_ih=ramp(rows, 1, 0.25).ravel(), b_hh=np.zeros(rows),
    )  # fmt: skip


LINEAR = graph.Linear(
    name="fc", inputs=("x",), weight=Tensor(ramp(3, 2)), bias=ramp(3, 1, 0.5).ravel()
)
LAYERS: dict[str, tuple[Layer, ...]] = {
    "lstm": (cell(graph.Lstm, 4),),
    "gru": (cell(graph.Gru, 3),),
    "rnn": (cell(graph.Rnn, 1),),
    "linear": (LINEAR,),
}
CASES = [
    ("lstm", "accurate"), ("lstm", "fast"), ("lstm", "compact"),
    ("gru", "accurate"), ("gru", "fast"), ("gru", "compact"),
    ("rnn", "accurate"), ("linear", "accurate"),
]  # fmt: skip


def float_model(kind: str) -> Model:
    layers = LAYERS[kind]
    return Model(kind, (Input("x", 2),), layers, (Output("y", layers[-1].name),))


def quantized(kind: str, profile: str) -> Model:
    data = SequenceSet(({"x": np.array([[-1.0, 1.0], [0.5, -0.5]])},))
    options = QuantizeOptions(profile=profile)  # type: ignore[arg-type]
    return quantize(prepare(float_model(kind)), data, options)


def program(kind: str, profile: str, target: str = "host") -> Program:
    return lower(quantized(kind, profile), load_target(target))


def function(source: str, name: str) -> str:
    """The definition of one function, as it stands in the file."""
    begin = source.index(f"\nint {name}(") + 1
    return source[begin : source.index("\n}\n", begin) + 3]


@pytest.fixture
def same(request: pytest.FixtureRequest):
    """Compares a text with a golden file, or writes the file."""

    def check(name: str, text: str) -> None:
        assert text.count("\n") < MOST_LINES, "a golden file is for reading: make the case smaller"
        path = FOLDER / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="ascii")
        assert path.exists(), f"{name} is missing: run pytest --update-golden"
        assert text == path.read_text(encoding="ascii"), "pytest --update-golden accepts a change"

    return check


@pytest.mark.parametrize(("kind", "profile"), CASES)
def test_step_in_c(kind: str, profile: str, same):
    files = emit_c(program(kind, profile))
    same(f"{kind}_{profile}.c", function(files[f"{kind}.c"], f"{kind}_step"))


def test_step_in_c_for_avr_has_narrower_sums(same):
    files = emit_c(program("lstm", "compact", "atmega328p"))
    same("lstm_compact_avr.c", function(files["lstm.c"], "lstm_step"))


@pytest.mark.parametrize(("kind", "profile"), CASES)
def test_program_text(kind: str, profile: str, same):
    same(f"{kind}_{profile}.program.txt", program_text(program(kind, profile)))


def test_lstm_in_float32(same):
    made = lower(prepare(float_model("lstm")), load_target("host"))
    same("lstm_float32.c", function(emit_c(made)["lstm.c"], "lstm_step"))
    same("lstm_float32.program.txt", program_text(made))


@pytest.mark.parametrize("kind", LAYERS)
def test_text_of_a_float_model(kind: str, same):
    same(f"{kind}.float.txt", model_text(float_model(kind)))


@pytest.mark.parametrize(("kind", "profile"), CASES)
def test_text_of_a_quantized_model(kind: str, profile: str, same):
    same(f"{kind}_{profile}.quantized.txt", model_text(quantized(kind, profile)))


def test_every_golden_file_belongs_to_a_test():
    wanted = {f"{k}_{p}{s}" for k, p in CASES for s in (".c", ".program.txt", ".quantized.txt")}
    wanted |= {f"{k}.float.txt" for k in LAYERS} | {"lstm_compact_avr.c"}
    wanted |= {"lstm_float32.c", "lstm_float32.program.txt"}
    assert {p.name for p in FOLDER.iterdir() if p.suffix in (".c", ".txt")} == wanted
