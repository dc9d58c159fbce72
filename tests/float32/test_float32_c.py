"""The emitted float32 C: against the float64 model, on several targets and with both compilers."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import numpy as np
import pytest
from float_models import MODELS, check_outputs, program, run_c, sequence

from rnn2c.budget import budget
from rnn2c.emit import emit_c
from rnn2c.ir.program import Program
from rnn2c.pipeline import bench, emit, verify
from rnn2c.validate.runner import run_sequences
from rnn2c.validate.sizes import object_sizes, undefined_symbols
from rnn2c.validate.toolchain import BuildOptions, compile_object
from rnn2c.validate.verify import stress_sequences
from rnn2c.validate.verify import verify as verify_folder

TARGETS = ("host", "cortex-m4", "cortex-m0plus", "rv32imc", "atmega2560")
BUILDS = {
    "gcc O0 sanitized": BuildOptions("gcc", "-O0", sanitizers=("undefined", "address")),
    "gcc O3": BuildOptions("gcc", "-O3"),
    "clang O2": BuildOptions("clang", "-O2"),
    "clang sanitized": BuildOptions(
        "clang", "-O1", flags=("-fsanitize=undefined,float-divide-by-zero",),
        sanitizers=("undefined",),
    ),
    "fused multiply-add allowed": BuildOptions("gcc", "-O3", ("-mfma", "-ffp-contract=fast")),
}  # fmt: skip


def heavy(values: Iterable[str], quick: Collection[str]) -> list[object]:
    """Parameters; those that are not quick belong to the full tests."""
    return [pytest.param(v, marks=() if v in quick else pytest.mark.full) for v in values]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("target", heavy(TARGETS, ("host", "cortex-m4")))
def test_c_computes_what_the_model_means(target: str, name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    inputs = sequence(model)
    check_outputs(model.run(inputs), run_c(program(name, target), inputs, tmp_path))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("build", heavy(BUILDS, ("gcc O0 sanitized", "clang O2")))
def test_every_compiler_agrees(build: str, name: str, tmp_path: Path) -> None:
    """Extreme inputs and the promises of the interface too; any warning is an error."""
    made = program(name)
    emit(made, tmp_path)
    sequences = stress_sequences(made, 6)
    report = verify_folder(made, tmp_path, sequences, build=BUILDS[build])
    assert report.agrees, report.to_json()
    assert report.max_error is not None
    assert report.max_error <= 1e-5


@pytest.mark.parametrize("name", ["stacked", "heads", "classifier"])
@pytest.mark.parametrize("target", TARGETS[1:])
def test_the_promises_of_the_interface_hold_on_chips(target: str, name: str) -> None:
    made = program(name, target)
    report = verify(made, [], stress_steps=4)
    assert report.agrees, report.to_json()


def test_missing_initial_states_are_zero(tmp_path: Path) -> None:
    model = MODELS["stacked"]()
    inputs = {"x": sequence(model)["x"]}
    check_outputs(model.run(inputs), run_c(program("stacked"), inputs, tmp_path))


@pytest.mark.parametrize("target", ["host", "cortex-m4", "atmega2560"])
def test_counts_become_an_input(target: str, tmp_path: Path) -> None:
    made = program("lstm_cell", target)
    emit(made, tmp_path)
    counts = np.array([[-32768, -1, 32767], [0, 100, 2000]])
    (got,) = run_sequences(tmp_path, made.interface(), made.target, [{"x": counts}], raw=True)
    np.testing.assert_allclose(got.outputs["x"], (counts + 100.0) * 0.001, rtol=1e-6, atol=1e-9)


# -- a defect is seen -----------------------------------------------------------------------------

MUTANTS = {
    "sigmoid": ("1.0f + power", "1.0001f + power"),
    "cell": ("return kept + added;", "return kept - added;"),
    "tanh": ("return tanhf(x);", "return 0.9999f * tanhf(x);"),
    "bias": ("_bias[4u * j]", "_bias[(4u * j) + 1u]"),
    "save": ("_bits(s->rnn_c[k]), 4u)", "_bits(s->rnn_c[0]), 4u)"),
    "restore": ("s->rnn_c[k] = net_real", "s->rnn_c[0] = net_real"),
    "second copy": ("s->now = (uint8_t)(now ^ 1u)", "s->now = now"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_defect_in_the_c_is_seen(mutant: str, tmp_path: Path) -> None:
    made = program("lstm_cell")
    emit(made, tmp_path)
    source = tmp_path / "net.c"
    before, after = MUTANTS[mutant]
    assert source.read_text().count(before) == 1
    source.write_text(source.read_text().replace(before, after))
    assert not verify_folder(made, tmp_path, stress_sequences(made, 6)).agrees


def test_the_self_test_sees_a_wrong_output(tmp_path: Path) -> None:
    made = program("lstm_cell")
    emit(made, tmp_path)
    text = (tmp_path / "net_selftest.c").read_text()
    wanted = re.search(r"net_golden_y\[5\] RNN2C_ROM = \{\s+([-.0-9e]+)f", text)
    assert wanted is not None
    off = np.float32(float(wanted[1]) + 2e-5)
    (tmp_path / "net_selftest.c").write_text(text.replace(f"{wanted[1]}f", f"{off}f"))
    report = verify_folder(made, tmp_path, stress_sequences(made, 3)[:1])
    assert [str(f) for f in report.failed_checks] == ["does not hold: the self-test passes"]


# -- the state as bytes ---------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Path) -> Callable[[Program], ctypes.CDLL]:
    """The emitted C as a shared library."""

    def made(of: Program) -> ctypes.CDLL:
        emit(of, tmp_path)
        out = tmp_path / "net.so"
        source = tmp_path / f"{of.name}.c"
        command = ["gcc", "-std=c99", "-shared", "-fPIC", str(source), "-o", str(out), "-lm"]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(out))

    return made


def test_a_save_image_holds_ieee_floats_and_no_others_come_back(
    library: Callable[[Program], ctypes.CDLL],
) -> None:
    made = program("lstm_cell")
    c = library(made)
    state = (ctypes.c_uint8 * budget(made).ram)()
    x = (ctypes.c_float * 3)(0.5, -1.0, 2.0)
    y = (ctypes.c_float * 5)()
    assert c.net_init(state) == 0
    assert c.net_step(state, x, y) == 0
    image = (ctypes.c_uint8 * made.interface().save_bytes)()
    assert c.net_save(state, image) == 0
    values = np.frombuffer(bytes(image)[4:], "<f4")
    assert np.array_equal(values[:5], np.array(y))
    for number, code in ((np.nan, -4), (np.inf, -4), (-np.inf, -4), (3.4e38, 0), (-0.0, 0)):
        for k in range(len(values)):
            spoiled = values.copy()
            spoiled[k] = number
            before = bytes(state)
            bytes_ = (ctypes.c_uint8 * len(image))(*(bytes(image)[:4] + spoiled.tobytes()))
            assert c.net_restore(state, bytes_) == code
            assert code == 0 or bytes(state) == before


# -- the files ------------------------------------------------------------------------------------


def test_files_and_their_bytes() -> None:
    files = emit_c(program("heads"))
    assert sorted(files) == ["heads.c", "heads.h", "heads_selftest.c"]
    assert files == emit_c(program("heads"))
    header = files["heads.h"]
    assert "float32: no overflow proof" in header
    assert "No heap, no globals" in header
    assert "_SCALE" not in header
    assert not re.search(r"\bdouble\b|[0-9]\.[0-9]+(?![0-9]*(e[-+]?[0-9]+)?f)", files["heads.c"])


def test_math_h_is_there_only_if_it_is_needed() -> None:
    assert "math.h" not in emit_c(program("rnn_relu_cell"))["net.c"]
    assert "-lm" not in emit_c(program("rnn_relu_cell"))["net.h"]
    assert "#include <math.h>" in emit_c(program("lstm_cell"))["net.c"]


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_it_is_cpp_too(compiler: str, tmp_path: Path) -> None:
    emit(program("heads"), tmp_path)
    flags = ["-x", "c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    subprocess.run([compiler, *flags, str(tmp_path / "heads.c")], check=True)


LIBRARY = {"expf", "tanhf", "memcpy", "memset"}
HELPERS = {
    "host": r"$^",
    "arm": r"__aeabi_(f\w+|i2f|ui2f|l?mul|cf\w+)",
    "riscv": r"__(addsf3|subsf3|mulsf3|divsf3|[gl][te]sf2|eqsf2|nesf2|floatsisf|floatunsisf)",
    "avr": r"__(addsf3|subsf3|mulsf3|divsf3|[gl][te]sf2|cmpsf2|eqsf2|nesf2|floatsisf|mulhisi3"
    r"|muluhisi3|mulsi3|floatunsisf)|exp|tanh",  # double has 32 bits here: one function for both
}


@pytest.mark.parametrize("name", ["lstm_cell", "rnn_relu_cell", "heads"])
@pytest.mark.parametrize("target", [*TARGETS, "cortex-m7"])
def test_an_object_needs_two_functions_of_libm(target: str, name: str, tmp_path: Path) -> None:
    """No double helper (their names have a d), no heap, no variables."""
    made = program(name, target)
    emit(made, tmp_path)
    for suffix in ("", "_selftest"):
        source = tmp_path / f"{made.name}{suffix}.c"
        path = compile_object(source, made.target, tmp_path / "one.o")
        own = f"{made.name}_"
        needs = {n for n in undefined_symbols(path) if not n.startswith(own)} - LIBRARY
        if target in ("cortex-m4", "cortex-m7"):
            assert not needs  # the FPU does the rest
        assert [n for n in needs if not re.fullmatch(HELPERS[made.target.harness], n)] == []
        sizes = object_sizes(path)
        assert (sizes.data, sizes.bss) == (0, 0)


@pytest.mark.parametrize("name", ["lstm_cell", "gru_before_cell", "rnn_relu_cell", "heads"])
@pytest.mark.parametrize("target", TARGETS[1:])
def test_bounds_of_flash_stack_and_state(target: str, name: str) -> None:
    made = program(name, target)
    got, bound = bench(made, [], steps=3).measured, budget(made)
    assert got.flash.code + got.flash.other <= bound.code
    assert got.flash.weights + got.flash.tables <= bound.constants
    assert got.stack_bytes <= bound.stack
    assert (got.ram.state, got.ram.static) == (bound.ram, 0)
