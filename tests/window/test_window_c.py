"""The C of models that wait for the whole sequence, against the reference; all its promises."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_models import data
from window_models import program_of, reverse, stacked

from rnn2c.emit import emit_c
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
    [("lstm", "accurate"), ("gru_before", "compact"), ("gru", "float32"), ("rnn", "accurate")],
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
