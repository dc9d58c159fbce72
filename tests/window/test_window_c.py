"""The C of models that wait for the whole sequence, against the reference; all its promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from core_models import changed, data
from window_models import program_of, reverse, stacked

from rnn2c.emit import emit_c
from rnn2c.ir.graph import Tensor
from rnn2c.ir.program import Program
from rnn2c.pipeline import emit
from rnn2c.validate.measure import measure
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import Report, raw_sequences, stress_sequences, verify

SANITIZED = BuildOptions("gcc", "-O0", sanitizers=("undefined", "address"))


def verified(program: Program, folder: Path, build: BuildOptions, count: int = 5) -> Report:
    """As many steps as there may be, and fewer."""
    emit(program, folder)
    usual = [{n: a[: program.max_steps] for n, a in s.items()} for s in data_of(program)]
    sequences = [
        *raw_sequences(program, usual),
        *stress_sequences(program, program.max_steps),
        *stress_sequences(program, 1)[:1],
    ]
    return verify(program, folder, sequences[:count], build=build)


def data_of(program: Program):
    return data(reverse("gru"), 1).sequences


@pytest.mark.parametrize(
    ("kind", "profile"),
    [("lstm", "accurate"), ("gru_before", "compact"), ("gru", "float32"), ("rnn", "fast")],
)
def test_c_agrees_on_the_host(kind: str, profile: str, tmp_path: Path):
    m = stacked(kind, mask=profile != "compact") if kind != "rnn" else reverse("rnn")
    report = verified(program_of(m, profile, 5), tmp_path, SANITIZED, 6)
    assert report.agrees, report.to_json()
    assert report.bit_exact or profile == "float32"


def test_clang_agrees(tmp_path: Path):
    program = program_of(stacked("gru", mask=True), "accurate", 5)
    assert verified(program, tmp_path, BuildOptions("clang", "-O3"), 6).bit_exact


@pytest.mark.parametrize("target", ["cortex-m4", "atmega328p"])
def test_c_agrees_in_the_emulator(target: str, tmp_path: Path):
    program = program_of(stacked("lstm", mask=True), "compact", 5, target=target)
    report = verified(program, tmp_path, BuildOptions(), 2)
    assert report.bit_exact, report.to_json()


def test_finish_is_counted(tmp_path: Path):
    program = program_of(reverse("gru"), "accurate", 6, target="cortex-m4")
    emit(program, tmp_path)
    counted = [
        measure(tmp_path, program.interface(), program.target, stress_sequences(program, n)[0])
        for n in (3, 6)
    ]
    few, many = (c.finish.instructions for c in counted if c.finish)
    assert 1.8 * few < many < 2.2 * few


def test_the_header_states_the_window(tmp_path: Path):
    header = emit_c(program_of(reverse("gru"), "accurate", 300))["net.h"]
    assert "#define NET_MAX_STEPS 300u" in header
    assert " * Window  3300 of these bytes keep up to 300 steps, 11 bytes each" in header
    assert "int net_finish(net_state_t *s, net_y_t y[NET_MAX_STEPS][NET_Y_SIZE]," in header


MUTANTS = {
    "no bound on the steps": (">= NET_MAX_STEPS) {", "> NET_MAX_STEPS) {"),
    "reverse runs forward": ("t = (count - 1u) - turn;", "t = turn;"),
    "the loop starts with what it left": ("low_b_h[j] = (int8_t)v;", "(void)v;"),
    "double buffers of the loop stand still": ("[turn & 1u];", "[0];"),
    "step keeps the wrong row": ("s->low_f_steps[t][j] =", "s->low_f_steps[0][j] ="),
    "the last row is the first": ("t = count - 1u;", "t = 0u;"),
    "masks hold nothing": ("net_hold(h, low_f_h[j]", "net_hold(h, h"),
    "save forgets the steps": ("(uint32_t)s->step_count[k]", "(uint32_t)0u * s->step_count[k]"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_faults_are_found(name: str, tmp_path: Path):
    program = program_of(stacked("lstm", mask=True), "accurate", 5)
    emit(program, tmp_path)
    source = tmp_path / "net.c"
    text, (old, new) = source.read_text(encoding="ascii"), MUTANTS[name]
    assert old in text
    source.write_text(text.replace(old, new), encoding="ascii")
    lenient = BuildOptions("gcc", "-O1", flags=("-Wno-error",))
    report = verify(program, tmp_path, stress_sequences(program, 5)[:1], build=lenient)
    assert not report.bit_exact


@pytest.mark.parametrize("matrix", ["w_ih", "w_hh"])
@pytest.mark.parametrize("profile", ["accurate", "compact", "float32"])
def test_a_loop_with_a_matrix_of_zeros_compiles_without_a_warning(
    profile: str, matrix: str, tmp_path: Path
):
    """Of whose steps only the first one is shown: nothing else has to know which it is."""
    m = reverse("lstm")
    layer, _, first = m.layers
    zero = Tensor(np.zeros_like(getattr(layer, matrix).real()))
    m = replace(m, layers=(changed(layer, **{matrix: zero}), first), outputs=m.outputs[2:])
    assert verified(program_of(m, profile, 5), tmp_path, SANITIZED).agrees
