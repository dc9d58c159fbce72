"""rnn2c verify: the C in the target's emulator against the reference, bit for bit; float32: within
a tolerance.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from rnn2c.calibration import read_sequences
from rnn2c.cli.compiling import compile_from
from rnn2c.cli.options import json_option, model_options
from rnn2c.ir.interface import FLOAT_TOLERANCE
from rnn2c.pipeline import Report
from rnn2c.pipeline import verify as run_verify


@click.command()
@model_options
@click.option(
    "--data", type=click.Path(path_type=Path), help="Sequences to run [default: --calib]."
)
@click.option(
    "--sequences",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="How many of them.",
)
@json_option
def verify(data: Path | None, sequences: int, as_json: bool, **options: Any) -> None:
    """Compile MODEL, run it in the emulator, compare every step with the reference."""
    job = compile_from(**options)
    chosen = read_sequences(data, job.compiled.float) if data else job.data
    report = run_verify(job.compiled.program, chosen.sequences[:sequences] if chosen else ())
    click.echo(json.dumps(report.to_json()) if as_json else _summary(report))
    if not report.agrees:
        sys.exit(1)


def _summary(report: Report) -> str:
    head = (
        f"{report.target}: {report.sequences} sequences ({report.extremes} of them extreme inputs),"
        f" {report.steps} steps"
    )
    how = "bit-exact"
    if report.max_error is not None:
        how = f"within {FLOAT_TOLERANCE:g} of the scale (largest error {report.max_error:.2g})"
    note = []
    if report.stand_in:
        note = [
            f"  nothing emulates {report.target}: this C was compiled for it, and what ran was the"
            f" same C on {report.stand_in}"
        ]
    if report.agrees:
        return "\n".join([f"{head}: {how}, every step and every state buffer", *note])
    problems = [str(report.mismatch)] if report.mismatch else [str(f) for f in report.failed_checks]
    return "\n".join([f"{head}: NOT {how}", *(f"  {p}" for p in problems), *note])
