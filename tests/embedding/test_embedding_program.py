"""Embeddings in C: exact on every target, close to float, and tokens out of range are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from embedded import OPTIONS, TOKENS, compiled, data, example, plain_model, words

from rnn2c.calibration import as_sequence_set
from rnn2c.errors import RangeError, Rnn2cError
from rnn2c.frontend import load
from rnn2c.ir import graph
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Input, Model, Output
from rnn2c.ir.model_text import model_text
from rnn2c.ir.program import Program
from rnn2c.ir.program_text import program_text
from rnn2c.passes import fold_affine, sink_last_step
from rnn2c.pipeline import compile_float32, emit, memory
from rnn2c.proof import verify_ranges
from rnn2c.target import load_target
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import raw_sequences, stress_sequences, verify

SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))
ERROR = {
    "accurate": 0.03, "int4": 0.3, "int16": 0.015, "fast": 0.03, "compact": 0.06, "float32": 1e-5,
}  # fmt: skip
FORMS = [*OPTIONS, "float32"]


def imported(name: str) -> Model:
    return load(words(name), example(name), cross_check=False)


def check(model: Model, program: Program, folder: Path, *builds: BuildOptions) -> None:
    emit(program, folder)
    usual = raw_sequences(program, data(model, 1, 10).sequences)
    for build in builds:
        report = verify(program, folder, [*usual, *stress_sequences(program, 8)], build=build)
        assert report.agrees, report.to_json()
        assert program.is_float or report.bit_exact


@pytest.mark.parametrize("options", FORMS)
@pytest.mark.parametrize("name", ["words", "mixed"])
def test_error_and_bits(name: str, options: str, tmp_path: Path) -> None:
    model = imported(name)
    program = compiled(model, options)
    (inputs,) = data(model, 1).sequences
    exact, got = model.run(inputs)["y"], program.run(inputs)["y"]
    assert np.abs(exact - got).max() <= ERROR[options] * np.abs(exact).max()
    check(model, program, tmp_path, SANITIZED, BuildOptions("clang", "-O3"))


@pytest.mark.parametrize("options", FORMS)
def test_rows_are_exact_to_half_a_step(options: str) -> None:
    model = plain_model()
    program = compiled(model, options)
    tokens = {"word": np.arange(TOKENS)}
    exact, got = model.run(tokens)["row"], program.run(tokens)["row"]
    table = next(p for p in model.layers if isinstance(p, graph.Embedding)).table
    assert np.array_equal(exact, table.data)
    bits = {"int4": 4, "int16": 16, "float32": 24}.get(options, 8)
    step = np.abs(exact).max() / (2 ** (bits - 1) - 1)
    assert np.abs(exact - got).max() <= step * 0.5001


@pytest.mark.parametrize(
    ("target", "name", "options"),
    [
        ("cortex-m4", "mixed", "accurate"),
        ("atmega328p", "words", "int4"),
        ("atmega328p", "words", "int16"),
        ("atmega2560", "words", "float32"),
    ],
)
def test_on_chips(target: str, name: str, options: str, tmp_path: Path) -> None:
    """Tokens out of range are refused there too: it is one of the checks of verify."""
    model = imported(name)
    check(model, compiled(model, options, target), tmp_path, BuildOptions())


def test_without_its_check_the_c_fails_verification(tmp_path: Path) -> None:
    model = imported("words")
    program = compiled(model, "accurate")
    (_, source, *_) = emit(program, tmp_path)
    text = source.read_text()
    assert f"[0] > {TOKENS - 1}u" in text
    source.write_text(text.replace(f"[0] > {TOKENS - 1}u", f"[0] > {TOKENS}u"))
    report = verify(program, tmp_path, stress_sequences(program, 4))
    assert "tokens out of range are refused" in str(report.failed_checks)


@pytest.mark.parametrize("bad", [-1, TOKENS, 0.5])
def test_tokens_out_of_range_are_refused_before_anything_runs(bad: float) -> None:
    model = plain_model()
    tokens = np.array([1.0, bad])
    program = compiled(model, "accurate")
    for run in (model.run, program.run):
        with pytest.raises(Rnn2cError, match=f"holds {bad:g}; tokens are integers from 0 to 49"):
            run({"word": tokens})
    with pytest.raises(Rnn2cError, match="array 'word' holds"):
        as_sequence_set({"word": tokens[None]}, model)
    if bad != 0.5:
        with pytest.raises(Rnn2cError, match="leaves \\[0, 49\\]"):
            program.run_integer({"word": tokens[:, None].astype(int)})


def test_shapes_of_tokens() -> None:
    model = plain_model()
    tokens = np.arange(12)
    assert np.array_equal(
        model.run({"word": tokens})["y"], model.run({"word": tokens[:, None]})["y"]
    )
    batch = as_sequence_set({"word": tokens.reshape(3, 4)}, model)
    ragged = as_sequence_set({"word": tokens, "word_lengths": np.array([4, 4, 4])}, model)
    assert [s["word"].shape for s in batch.sequences] == [(4, 1)] * 3
    for one, other in zip(batch.sequences, ragged.sequences, strict=True):
        assert np.array_equal(one["word"], other["word"])


def test_a_proof_fails_where_a_token_could_leave_the_table() -> None:
    program = compiled(plain_model(), "accurate")
    wider = tuple(replace(b, hi=TOKENS) if b.role == "input" else b for b in program.buffers)
    with pytest.raises(RangeError, match=r"word in \[0, 50\] is no token of the 50"):
        verify_ranges(replace(program, buffers=wider))


def test_a_float32_program_is_proven_too() -> None:
    program = compile_float32(plain_model(), load_target("host")).program
    wider = tuple(replace(b, hi=TOKENS) if b.role == "input" else b for b in program.buffers)
    with pytest.raises(RangeError, match="is no token"):
        verify_ranges(replace(program, buffers=wider))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (replace(plain_model(), inputs=(Input("word", 1),)), "which is computed; only tokens"),
        (replace(plain_model(), inputs=(Input("word", 1, tokens=51),)), "for 51 tokens"),
        (replace(plain_model(), inputs=(Input("word", 2, tokens=9),)), "one of 2 to 65536"),
        (replace(plain_model(), outputs=(Output("y", "word"),)), "shows tokens"),
        (
            replace(plain_model(), layers=(graph.Softmax(name="fc", inputs=("word",)),)),
            "reads tokens; only an embedding can",
        ),
    ],
)
def test_models_that_misuse_tokens(model: Model, text: str) -> None:
    shown = tuple(o for o in model.outputs if o.value in ("word", "fc"))
    with pytest.raises(Rnn2cError, match=text):
        check_model(replace(model, outputs=shown))


def test_a_factor_behind_an_embedding_goes_into_its_table() -> None:
    model = imported("mixed")
    folded = fold_affine(model)
    assert any(isinstance(p, graph.Affine) for p in model.layers)
    assert not any(isinstance(p, graph.Affine) for p in folded.layers)
    (inputs,) = data(model, 1).sequences
    np.testing.assert_allclose(folded.run(inputs)["y"], model.run(inputs)["y"], atol=1e-12)


def test_tokens_stay_per_step_where_only_the_last_row_is_wanted() -> None:
    model = plain_model()
    last = graph.LastStep(name="last", inputs=("row",))
    model = replace(model, layers=(*model.layers, last), outputs=(Output("y", "last"),))
    check_model(sink_last_step(model))
    tokens = {"word": np.array([3, 9])}
    assert np.array_equal(model.run(tokens)["y"], model.layers[0].table.data[9])  # type: ignore[attr-defined]
    assert compiled(model, "accurate").run(tokens)["y"].shape == (5,)


def test_texts_and_sizes(tmp_path: Path) -> None:
    model = plain_model()
    program = compiled(model, "accurate")
    assert "input word [1] per step, 50 tokens" in model_text(model)
    assert "y = row_table[word[0]][j]" in program_text(program)
    assert "a token from 0 to 49" in emit(program, tmp_path)[0].read_text()
    assert [m.precision for m in memory(model)] == ["int8", "int4", "float32"]
