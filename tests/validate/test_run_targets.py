"""The toy model on every target: its trace, its end, raw input, and the promises of the API."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from toy_reference import FOLDER, INTERFACE, reference, sequences

from rnn2c.errors import Rnn2cError, TooLargeError
from rnn2c.target import list_targets, load_target
from rnn2c.validate.compare import compare
from rnn2c.validate.runner import CHECKS, compile_model, run_sequences, self_check
from rnn2c.validate.sizes import object_sizes
from rnn2c.validate.toolchain import BuildOptions

TARGETS = [target.name for target in list_targets()]


@pytest.mark.parametrize("name", TARGETS)
def test_every_step_and_the_end_equal_the_reference(name):
    given = sequences(1)
    given[1]["token"][4] = 5  # out of range: code -3, state unchanged
    given.append({**given[0], "x": given[0]["x"][:0], "token": given[0]["token"][:0]})
    expected = [reference(sequence) for sequence in given[:3]]
    got = run_sequences(FOLDER, INTERFACE, load_target(name), given)
    assert compare(expected, got[:3], INTERFACE) is None
    assert got[1].codes.tolist() == [0, 0, 0, 0, -3, 0, 0, 0, 0, 0]
    assert got[3].codes.shape == (0,)
    assert got[3].finals["label"].tolist() == [0, int(given[0]["h0"].sum()) & 255]


@pytest.mark.parametrize("name", TARGETS)
def test_the_promises_of_the_interface_hold(name):
    assert self_check(FOLDER, INTERFACE, load_target(name), sequences(2)) == []


@pytest.mark.parametrize("name", ["host", "cortex-m4", "atmega328p"])
def test_mode_final_gives_the_last_step_only(name):
    given = sequences(3)
    expected = [reference(sequence).last() for sequence in given]
    got = run_sequences(FOLDER, INTERFACE, load_target(name), given, mode="final")
    assert compare(expected, got, INTERFACE) is None
    assert [len(result.codes) for result in got] == [1, 1, 1]


@pytest.mark.parametrize("name", ["host", "rv32imc", "atmega328p"])
def test_raw_counts_go_through_from_raw(name):
    rng = np.random.default_rng(4)
    given = sequences(4, count=1)
    counts = rng.integers(-32768, 32768, given[0]["x"].shape)
    converted = (np.sign(counts) * (np.abs(counts) // 256)).astype(np.int64)
    expected = reference({**given[0], "x": converted})
    (got,) = run_sequences(
        FOLDER, INTERFACE, load_target(name), [{**given[0], "x": counts}], raw=True
    )
    assert np.array_equal(got.outputs["x"], converted)
    assert np.array_equal(got.saved["h"], expected.saved["h"])


@pytest.mark.parametrize("name", ["atmega328p", "atmega2560"])
def test_sequences_beyond_the_flash_and_beyond_64_kb_run_in_parts(name):
    """36 KB in several runs on the ATmega328P, 90 KB by far reads on the ATmega2560."""
    count, steps = (5, 1440) if name == "atmega328p" else (3, 6000)
    given = sequences(5, count, steps)
    expected = [reference(sequence).last() for sequence in given]
    got = run_sequences(FOLDER, INTERFACE, load_target(name), given, mode="final")
    assert compare(expected, got, INTERFACE) is None


def test_a_sequence_beyond_the_flash_is_refused_with_sizes():
    with pytest.raises(TooLargeError, match=r"atmega328p: sequence 0 has 35018 bytes, 2\d{4} fit"):
        run_sequences(FOLDER, INTERFACE, load_target("atmega328p"), sequences(6, 1, 7000))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"ram_bytes": 128}, r"the verification program needs 2\d\d bytes of RAM, 128 are there"),
        ({"flash_bytes": 1024}, r"sequence 0 has \d+ bytes, 0 fit beside the model"),
    ],
)
def test_a_part_too_small_for_the_verification_is_refused(limits, message):
    target = load_target("atmega328p")
    assert target.limits is not None
    small = dataclasses.replace(target, limits=dataclasses.replace(target.limits, **limits))
    with pytest.raises(TooLargeError, match=message):
        run_sequences(FOLDER, INTERFACE, small, sequences(6, 1))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("optimize", ["-O0", "-O3"])
def test_host_compilers_levels_and_sanitizers(compiler, optimize):
    given = sequences(7)
    build = BuildOptions(compiler, optimize, sanitizers=("undefined", "address"))
    got = run_sequences(FOLDER, INTERFACE, load_target("host"), given, build=build)
    assert compare([reference(sequence) for sequence in given], got, INTERFACE) is None


def test_a_program_stays_inside_the_part_it_is_for(tmp_path: Path):
    target = load_target("atmega328p")
    elf = compile_model(FOLDER, INTERFACE, target, sequences(8), out=tmp_path)
    sizes = object_sizes(elf)
    assert target.limits is not None
    assert 0 < sizes.flash_bytes < target.limits.flash_bytes
    assert 0 < sizes.ram_bytes < 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((9, 4), np.int64)}, r"input 'x': shape \(9, 4\), expected \(9, 3\)"),
        ({"x": np.full((9, 3), 128)}, "input 'x': values outside of int8_t"),
        ({"x": np.zeros((9, 3))}, "input 'x': type float64, expected integers"),
        ({"token": np.zeros((8, 1), np.int64)}, r"input 'token': shape \(8, 1\)"),
        ({"h0": np.zeros(3, np.int64)}, "input 'h0': shape"),
        ({"z": np.zeros(1, np.int64)}, "the model has no input 'z'"),
    ],
)
def test_wrong_sequences_are_refused_by_name(change, message):
    with pytest.raises(Rnn2cError, match=message):
        run_sequences(FOLDER, INTERFACE, load_target("host"), [{**sequences(9)[0], **change}])


def test_every_promise_has_a_fault_in_the_other_test_file():
    """The one of a step too many, "m", needs a model with a window: tests/window has it."""
    text = (Path(__file__).parent / "test_run_faults.py").read_text()
    assert all(f'"{letter}"' in text for letter in CHECKS if letter != "m")
