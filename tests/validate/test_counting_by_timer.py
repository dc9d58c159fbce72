"""Where QEMU takes no plugin: a timer counts Arm, and other machines say what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_counters_measure import measured

from rnn2c.errors import MissingToolError
from rnn2c.target import Target, list_targets, load_target
from rnn2c.validate import counting
from rnn2c.validate.toolchain import ToolError

COMPLAINTS = ("-plugin: invalid option", "Could not load plugin x: plugin requires API version 1")
CALL = 6
"""Instructions by which the two ways may differ: arguments put into registers, marks."""


def refusing(name: str, complaint: str, folder: Path) -> Target:
    """The target with a QEMU that refuses plugins and runs everything else."""
    target = load_target(name)
    emulator = folder / "qemu-without-plugins"
    refuse = f"echo 'qemu: {complaint}' >&2; exit 1"
    emulator.write_text(
        f'#!/bin/sh\ncase "$*" in *-plugin*) {refuse};; esac\nexec {target.emulator.command} "$@"\n'
    )
    emulator.chmod(0o755)
    return replace(target, emulator=replace(target.emulator, command=str(emulator)))


@pytest.mark.parametrize("name", [t.name for t in list_targets() if t.harness in counting.TIMED])
def test_a_timer_counts_what_the_plugin_counts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = measured(tmp_path, load_target(name))

    def missing() -> Path:
        raise MissingToolError("no host compiler gcc")

    monkeypatch.setattr(counting, "qemu_plugin", missing)
    timed = measured(tmp_path, load_target(name))
    more = measured(tmp_path, load_target(name), first=17, second=120)
    assert abs(timed.step.instructions - exact.step.instructions) <= CALL
    assert more.step.instructions - timed.step.instructions == 107
    assert timed.is_constant
    assert (timed.init.stack_bytes, timed.steps) == (exact.init.stack_bytes, exact.steps)
    assert (timed.flash, timed.ram) == (exact.flash, exact.ram)
    assert timed.step.cycles is None
    assert timed.step.stage_instructions == timed.step.stage_cycles == ()
    assert timed.no_cycles.startswith("no host compiler gcc; a timer counted instructions")


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_qemu_that_refuses_plugins_is_named(complaint: str, tmp_path: Path) -> None:
    timed = measured(tmp_path, refusing("cortex-m4", complaint, tmp_path))
    assert complaint in timed.no_cycles
    assert "install qemu-system-arm" in timed.no_cycles


def test_where_there_is_no_such_timer_the_plugin_is_needed(tmp_path: Path) -> None:
    target = refusing("rv32imc", COMPLAINTS[0], tmp_path)
    with pytest.raises(MissingToolError, match=r"invalid option.*install qemu-system-misc"):
        measured(tmp_path, target)


def test_more_than_the_timer_holds_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = refusing("cortex-m4", COMPLAINTS[0], tmp_path)
    monkeypatch.setattr(counting, "SHIFT", 10)  # the most that QEMU takes
    long = "__extension__ ({volatile long n = 200000; while (n > 0) {n--;} (int)n;})"
    with pytest.raises(ToolError, match="the timer went round"):
        measured(tmp_path, target, result=long)
