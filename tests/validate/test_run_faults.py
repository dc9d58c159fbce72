"""Defects planted in the toy model: each is found, and named as what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from toy_reference import FOLDER, INTERFACE, reference, sequences

from rnn2c.errors import MissingToolError, Rnn2cError
from rnn2c.target import list_targets, load_target
from rnn2c.validate import emulator
from rnn2c.validate.compare import Mismatch, compare
from rnn2c.validate.runner import CHECKS, run_sequences, self_check
from rnn2c.validate.toolchain import BuildOptions, ToolError

TARGETS = [target.name for target in list_targets()]
NO_MEMORY = {  # an address that no memory and no device answers
    "arm": "0xF0000000u",
    "riscv": "0xF0000000u",
    "avr": "0x8000u",
    "native": "(volatile uintptr_t){16}",
}
CRASH = {
    "arm": "the core took a fault",
    "riscv": "the core took a fault",
    "avr": "exit code 121: avr_run: crash: CORE: .*out of ram",
    "native": "ended by SIGSEGV",
}
OVERFLOW = {**CRASH, "avr": "exit code 122: avr_run: stack overflow"}


def planted(fault: str) -> BuildOptions:
    return BuildOptions(flags=(f"-DTOY_FAULT_{fault}",))


@pytest.mark.parametrize("name", TARGETS)
def test_one_wrong_bit_is_named_by_sequence_step_buffer_and_unit(name):
    given = sequences(1)
    expected = [reference(sequence) for sequence in given]
    got = run_sequences(FOLDER, INTERFACE, load_target(name), given, build=planted("VALUE"))
    right = int(expected[0].saved["h"][5, 2])
    mismatch = compare(expected, got, INTERFACE)
    assert mismatch == Mismatch(0, 5, "h", 2, right, right ^ 1)
    assert str(mismatch) == f"sequence 0, step 5, h[2]: expected {right}, got {right ^ 1}"


@pytest.mark.parametrize("name", TARGETS)
def test_a_write_outside_of_memory_is_an_error(name):
    target = load_target(name)
    build = planted(f"ADDRESS={NO_MEMORY[target.harness]}")
    with pytest.raises(ToolError, match=f"running on {name}: {CRASH[target.harness]}"):
        run_sequences(FOLDER, INTERFACE, target, sequences(2), build=build)


def test_an_unaligned_access_is_an_error_where_the_core_has_none():
    """QEMU runs the Cortex-M0+ build on a core that could do it."""
    build = planted("UNALIGNED")
    assert run_sequences(FOLDER, INTERFACE, load_target("cortex-m3"), sequences(2), build=build)
    with pytest.raises(ToolError, match="running on cortex-m0plus: the core took a fault"):
        run_sequences(FOLDER, INTERFACE, load_target("cortex-m0plus"), sequences(2), build=build)


@pytest.mark.parametrize("name", TARGETS)
def test_a_stack_overflow_is_an_error(name):
    target = load_target(name)
    with pytest.raises(ToolError, match=f"running on {name}: {OVERFLOW[target.harness]}"):
        run_sequences(FOLDER, INTERFACE, target, sequences(3), build=planted("STACK"))


@pytest.mark.parametrize("name", ["host", "cortex-m4", "rv32imc", "atmega328p"])
def test_an_endless_loop_is_ended_by_the_time_limit(name):
    with pytest.raises(ToolError, match=f"running on {name}: not finished after 0.7 s"):
        run_sequences(
            FOLDER, INTERFACE, load_target(name), sequences(4), build=planted("LOOP"), seconds=0.7
        )


def test_an_early_exit_with_code_0_is_no_success():
    with pytest.raises(ToolError, match="incomplete, its END line is missing"):
        run_sequences(FOLDER, INTERFACE, load_target("host"), sequences(5), build=planted("EXIT"))


@pytest.mark.parametrize(
    ("fault", "letter"),
    [
        ("NULL", "n"),
        ("RESTORE", "n"),
        ("SELFTEST", "t"),
        ("INIT", "g"),
        ("FINISH", "f"),
        ("SAVE", "s"),
        ("GLOBAL", "i"),
        ("RUN", "r"),
    ],
)
def test_each_broken_promise_is_named(fault, letter):
    failures = self_check(
        FOLDER, INTERFACE, load_target("host"), sequences(6, 2), build=planted(fault)
    )
    assert CHECKS[letter] in {failure.promise for failure in failures}
    general = letter in "nt"
    assert {f.sequence for f in failures if f.promise == CHECKS[letter]} <= (
        {None} if general else {0, 1}
    )


def test_broken_promises_are_found_on_small_targets_too():
    failures = self_check(
        FOLDER, INTERFACE, load_target("atmega328p"), sequences(7), build=planted("RUN")
    )
    assert [(f.sequence, f.promise) for f in failures] == [(i, CHECKS["r"]) for i in range(3)]
    assert str(failures[1]) == "sequence 1: does not hold: one run of n steps equals n steps"


def test_a_final_output_is_compared_too():
    expected = reference(sequences(8)[0])
    label = expected.finals["label"] ^ np.array([0, 4])
    wrong = dataclasses.replace(expected, finals={"label": label})
    values = int(expected.finals["label"][1]), int(label[1])
    found = compare([expected], [wrong], INTERFACE)
    assert found == Mismatch(0, None, "label", 1, *values)


def test_the_first_difference_in_time_comes_first():
    expected = reference(sequences(9)[0])
    h, n = expected.saved["h"].copy(), expected.saved["n"].copy()
    h[7, 0] += 1
    n[3, 0] += 1
    wrong = dataclasses.replace(expected, saved={"h": h, "n": n})
    found = compare([expected], [wrong], INTERFACE)
    assert found is not None
    assert (found.step, found.buffer) == (3, "n")


def test_records_of_different_sequences_are_not_comparable():
    given = [reference(sequence) for sequence in sequences(10)]
    with pytest.raises(Rnn2cError, match="cannot compare 3 sequences with 2"):
        compare(given, given[:2], INTERFACE)
    with pytest.raises(Rnn2cError, match="shape"):
        compare(given[:1], given[1:2], INTERFACE)


@pytest.mark.parametrize("name", ["host", "cortex-m3", "atmega328p"])
def test_a_warning_in_the_model_is_an_error_with_the_compilers_words(name):
    build = BuildOptions(flags=("-DTOY_FAULT_STACK", "-DTOKENS=5"))
    with pytest.raises(ToolError, match=r"compiling toy\.c: .*gcc: .*TOKENS.* redefined"):
        run_sequences(FOLDER, INTERFACE, load_target(name), sequences(11), build=build)


def test_an_interface_that_does_not_match_the_c_does_not_compile():
    for change in ({"model_id": 1}, {"saved": INTERFACE.saved[:1]}):
        other = dataclasses.replace(INTERFACE, **change)
        with pytest.raises(ToolError, match=r"linking the verification program for host: .*check_"):
            run_sequences(FOLDER, other, load_target("host"), sequences(12))


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("cortex-m4", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
        ("atmega328p", "gcc-avr avr-libc"),
        ("rv32imc", "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"),
    ],
)
def test_a_missing_compiler_names_its_packages(monkeypatch, name, packages):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match=f"is not installed: install {packages}"):
        run_sequences(FOLDER, INTERFACE, load_target(name), sequences(13))


@pytest.mark.parametrize(
    ("name", "packages"), [("cortex-m4", "qemu-system-arm"), ("rv32imc", "qemu-system-misc")]
)
def test_a_missing_emulator_names_its_packages(monkeypatch, name, packages):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match=f"is not installed: install {packages}"):
        emulator.run_elf(load_target(name), Path("program.elf"))


def test_sanitizers_are_refused_on_bare_machines():
    build = BuildOptions(sanitizers=("undefined",))
    with pytest.raises(Rnn2cError, match="target cortex-m4: sanitizers need the target host"):
        run_sequences(FOLDER, INTERFACE, load_target("cortex-m4"), sequences(14), build=build)
