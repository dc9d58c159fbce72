"""A second simulator of AVR, avr8js, executes the same programs in the same number of cycles."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from core_models import cell_model, integer
from far_flash import borders, linked, mismatch, moved

import rnn2c
from rnn2c.target import load_target
from rnn2c.validate.counting import Counting
from rnn2c.validate.emulator import END
from rnn2c.validate.toolchain import BuildOptions, find_tool, run_tool
from rnn2c.validate.verify import stress_sequences

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1] / ".data" / "avr8js" / "node_modules"
"""Where `make test-full-others` puts it."""
MEMORY = {"atmega328p": (0x0800, 0x08000), "atmega2560": (0x2100, 0x40000)}
"""Data space from 0x100 on, flash: bytes."""
OPTIONS = {
    "compact": {"profile": "compact"},
    "compact, sums of 16 bits": {"profile": "compact", "sum_width": "int16"},
    "compact int4": {"profile": "compact", "weights": "int4"},
    "accurate": {"profile": "accurate"},
}
STEPS = 4


def in_avr8js(target: str, elf: Path) -> tuple[str, list[list[int]]]:
    """What the program said, and instructions and cycles of each counted call."""
    program = elf.with_suffix(".hex")
    objcopy = find_tool("avr-objcopy", "binutils-avr")
    command = [objcopy, "-O", "ihex", "-R", ".eeprom", str(elf), str(program)]
    run_tool(command, elf.parent, "making a hex file")
    assert MODULES.is_dir(), "avr8js is missing: make test-full-others installs it"
    node = find_tool("node", "nodejs")
    sizes = [str(n) for n in MEMORY[target]]
    done = subprocess.run(
        [node, str(HERE / "avr8js_run.cjs"), str(MODULES), *sizes, str(program)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    text, _, counts = done.stdout.rpartition(END)
    return text, json.loads(counts)


@pytest.mark.full
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before"])
@pytest.mark.parametrize("target", MEMORY)
def test_both_simulators_count_the_same(target: str, kind: str, options: str, tmp_path: Path):
    quantized = integer(cell_model(kind, units=9, inputs=4), **OPTIONS[options])
    program = rnn2c.compile(quantized, target)
    folder = tmp_path / "model"
    program.emit(folder)
    sequence = stress_sequences(program, STEPS)[0]
    job = Counting(
        folder, program.interface(), load_target(target), sequence, BuildOptions(), seconds=60.0
    )
    calls, _ = job.count(tmp_path / "counted")
    (elf,) = (tmp_path / "counted").glob("*.elf")
    text, counts = in_avr8js(target, elf)
    assert len(calls) == len(text.split("\n")) - 1 == 1 + STEPS
    assert counts == [[c.region.instructions, c.region.cycles] for c in calls]


@pytest.mark.full
def test_the_border_at_64_kb_may_cut_any_far_array(tmp_path: Path) -> None:
    """The simulators agree about the carry of ELPM into RAMPZ."""
    quantized = integer(cell_model("gru", units=6, inputs=5), profile="compact")
    program = rnn2c.compile(quantized, "atmega2560", far_constants=True)
    folder = tmp_path / "model"
    program.emit(folder)
    sequences = stress_sequences(program, 2)[:2]
    for name, before in borders(program, folder, tmp_path / "borders").items():
        at = moved(program, folder, tmp_path / name, before, odd=True)
        elf = linked(program, at, tmp_path / f"{name}_elf", sequences)
        assert mismatch(program, in_avr8js("atmega2560", elf)[0], sequences) is None, name
