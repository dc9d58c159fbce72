"""The demo: compile the activity network for two chips, run it there, compare, report.

Everything printed is computed or measured in this run; the chips are QEMU and simavr.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import rnn2c
from rnn2c.api import Program
from rnn2c.errors import Rnn2cError
from rnn2c.execute import from_raw
from rnn2c.ir.graph import Model
from rnn2c.pipeline import Bench, bench
from rnn2c.target import load_target
from rnn2c.validate.runner import run_sequences

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "build" / "demo"
TARGETS = ("cortex-m4", "atmega328p")


@dataclass(frozen=True)
class Result:
    """What one target gave."""

    program: Program
    accuracy: float
    agreement: float
    bit_exact: bool
    costs: Bench
    firmware: str


@dataclass(frozen=True)
class Windows:
    """Held-out windows: sensor counts [N, T, 6], normalised x [N, T, 6], labels [N]."""

    counts: NDArray[np.int16]
    x: NDArray[np.float32]
    labels: NDArray[np.int64]


def main() -> int:
    """Compile, run, compare, report; the exit code is 0 only if every target is bit-exact."""
    console = Console(width=max(Console().width, 96))
    with np.load(HERE / "windows.npz", allow_pickle=False) as data:
        windows = Windows(data["counts"], data["x"], data["y"].astype(np.int64))
    model = rnn2c.load(HERE / "activity.onnx", name="har")
    console.print(f"activity.onnx: GRU 6 -> 24, linear 24 -> 7; import {model.cross_check}")
    float_classes = model.run({"x": windows.x})["logits"].argmax(axis=-1)
    results = {}
    for name in TARGETS:
        with console.status(f"{name}: compile, run {len(windows.labels)} windows, measure"):
            results[name] = run_target(model, name, windows, float_classes)
        console.print(f"{name}: {results[name].firmware}")
    console.print(table(results, float(np.mean(float_classes == windows.labels)), windows))
    console.print(f"The C is in {OUT.relative_to(HERE.parents[1])}/; read har_step() in har.c.")
    return 0 if all(r.bit_exact for r in results.values()) else 1


def run_target(
    model: Model, name: str, windows: Windows, float_classes: NDArray[np.int64]
) -> Result:
    """Compile for one target, run all windows in its emulator from sensor counts, measure."""
    sensor = json.loads((HERE / "sensor.json").read_text())
    integer = rnn2c.quantize(model, HERE / "calibration.npz", profile=load_target(name).profile)
    program = rnn2c.compile(
        integer,
        name,
        input_scale=sensor["input_scale"],
        input_offset=[float(v) for v in sensor["input_offset"]],
    )
    folder = OUT / name
    program.emit(folder)
    counts = [{"x": c.astype(np.int64)} for c in windows.counts]
    got = run_sequences(folder, program.interface(), program.target, counts, mode="final", raw=True)
    logits = np.stack([r.finals["logits"] for r in got])
    wanted = program.run_integer({"x": from_raw(program, windows.counts)})["logits"]
    every_step = rnn2c.verify(program, [{"x": x} for x in windows.x[:2]])
    classes = logits.argmax(axis=-1)
    return Result(
        program=program,
        accuracy=float(np.mean(classes == windows.labels)),
        agreement=float(np.mean(classes == float_classes)),
        bit_exact=bool(np.array_equal(logits, wanted)) and every_step.bit_exact,
        costs=bench(program, [{"x": windows.x[0]}]),
        firmware=firmware(name, folder),
    )


def firmware(name: str, model: Path) -> str:
    """Build the firmware of the board with this model, run it, return its last line."""
    command = [
        "make",
        "-s",
        "-C",
        str(HERE / name),
        f"MODEL={model}",
        f"PYTHON={sys.executable}",
        "run",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Rnn2cError(f"the firmware for {name} failed: {done.stderr.strip()[-300:]}")
    found = re.findall(r"\d+ of \d+ windows right", done.stdout + done.stderr)
    if not found:
        raise Rnn2cError(f"the firmware for {name} printed no result")
    return f"the example firmware says: {found[-1]}"


def table(results: dict[str, Result], float_accuracy: float, windows: Windows) -> Table:
    """The report, one column per target."""
    made = Table(title=f"{len(windows.labels)} held-out windows of 3 s, run from sensor counts")
    made.add_column("")
    for name in results:
        made.add_column(name, justify="right")
    rows = {
        "bit-exact with the Python reference": lambda r: "yes" if r.bit_exact else "NO",
        "accuracy, float": lambda r: f"{100 * float_accuracy:.1f} %",
        "accuracy, int8 in the emulator": lambda r: f"{100 * r.accuracy:.1f} %",
        "same answer as float": lambda r: f"{100 * r.agreement:.1f} %",
        "numeric profile": lambda r: r.program.profile,
        "flash: code": lambda r: f"{r.costs.measured.flash.code + r.costs.measured.flash.other} B",
        "flash: weights": lambda r: f"{r.costs.measured.flash.weights} B",
        "flash: tables": lambda r: f"{r.costs.measured.flash.tables} B",
        "RAM: state and scratch": lambda r: f"{r.costs.measured.ram.total} B",
        "worst stack": lambda r: f"{r.costs.measured.stack_bytes} B",
        "one time step": lambda r: cost(r),
    }
    for title, text in rows.items():
        made.add_row(title, *(text(r) for r in results.values()))
    return made


def cost(result: Result) -> str:
    """Cycles and time where cycles are exact, else instructions."""
    costs = result.costs
    step, power = costs.measured.step, costs.power
    if step.cycles is None or power is None or costs.target.cycles_kind != "exact":
        return f"{step.instructions} instructions"
    time = f"{power.milliseconds(step.cycles):.2f} ms at {power.clock_mhz:g} MHz"
    return f"{step.cycles} cycles, {time}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Rnn2cError as error:
        sys.exit(f"demo: {error}")
