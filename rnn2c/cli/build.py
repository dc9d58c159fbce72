"""rnn2c build: a model file in, C files out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import rich_click as click

from rnn2c.budget import Budget, budget
from rnn2c.cli.compiling import Job, compile_from
from rnn2c.cli.options import json_option, model_options, out_option
from rnn2c.errors import Rnn2cError
from rnn2c.ir.program import Program
from rnn2c.pipeline import STAGES, emit, emit_c


@click.command()
@model_options
@out_option
@click.option(
    "--emit", "stage", type=click.Choice(STAGES), help="Print a stage instead of writing C."
)
@json_option
def build(out: Path, stage: str | None, as_json: bool, **options: Any) -> None:
    """Compile MODEL (.onnx, .pt2, .keras, .h5) to C for a target."""
    if stage is not None and as_json:
        raise Rnn2cError("--emit prints text, it has no JSON form; leave out --json")
    job = compile_from(**options)
    if stage is not None:
        click.echo(_stage_text(job, stage), nl=False)
        return
    paths = emit(job.compiled.program, out)
    click.echo(json.dumps(_record(job, paths)) if as_json else _summary(job, paths))


def _stage_text(job: Job, stage: str) -> str:
    from rnn2c.ir.model_text import model_text
    from rnn2c.ir.program_text import program_text

    compiled = job.compiled
    if stage == "quantized" and compiled.quantized is None:
        raise Rnn2cError("--emit quantized: there is no such stage with --precision float32")
    if stage == "program":
        return program_text(compiled.program)
    if stage == "c":
        return "\n".join(emit_c(compiled.program).values())
    return model_text(getattr(compiled, stage))


def _record(job: Job, paths: tuple[Path, ...]) -> dict[str, object]:
    program = job.compiled.program
    need = budget(program)
    return {
        "name": program.name,
        "target": program.target.name,
        "profile": program.profile,
        "level": program.level,
        "model_id": f"0x{program.model_id:08x}",
        "cross_checked": not job.compiled.float.cross_check.startswith("not"),
        "flash_bytes": {"weights": need.weights, "tables": need.tables, "code_at_most": need.code},
        "shared_tables": program.tables_file or None,
        "ram_bytes": {"state": need.state, "scratch": need.scratch, "total": need.ram},
        "max_steps": program.max_steps or None,
        "window_bytes": need.window,
        "stack_bytes_at_most": need.stack,
        "macs": program.macs,
        "notes": _notes(program),
        "files": [str(path) for path in paths],
    }


def _notes(program: Program) -> list[str]:
    """What is to be known about the numbers, and about a core that cannot multiply."""
    target = program.target
    each = target.product_instructions
    if each == 1 or program.is_float:
        return list(program.notes)
    matrices = [
        (w, m) for w in program.weights if w.name not in program.looked_up for m in w.matrices
    ]
    products = sum(m[..., 0].size if w.packing == "ternary" else m.size for w, m in matrices)
    slow = (
        f"{target.name} has no multiplication: a product is a call of about {each} instructions,"
        f" those of the weights in a step take about {each * products}"
    )
    advice = "; weights ternary need one for a row instead of one for each of its weights"
    is_ternary = any(w.packing == "ternary" for w, _ in matrices)
    return [*program.notes, slow if is_ternary else slow + advice]


def _window(program: Program, need: Budget) -> list[str]:
    """A line on what waits for the end of the sequence, if anything does."""
    if not program.max_steps:
        return []
    return [
        f"  window   {need.window} of these bytes for at most {program.max_steps} steps;"
        f" {program.loop_macs} multiply-accumulates a step wait for finish"
    ]


def _summary(job: Job, paths: tuple[Path, ...]) -> str:
    program = job.compiled.program
    need = budget(program)
    limits = program.target.limits
    has_flash = f"; the chip has {limits.flash_bytes}" if limits else ""
    proof = "none, it computes in float32" if program.is_float else "no overflow for any input"
    where = f" in {program.tables_file}.c" if program.tables_file else ""
    has_ram = f"; the chip has {limits.ram_bytes}" if limits else ""
    return "\n".join(
        [
            f"{program.name}: {program.doc}",
            f"  target   {program.target.name}, profile {program.profile}, level {program.level}",
            f"  import   {job.compiled.float.cross_check}",
            f"  proof    {proof}, {program.macs} multiply-accumulates a step",
            f"  flash    {need.constants} bytes of constants ({need.weights} weights, {need.tables}"
            f" tables{where}), code at most {need.code}{has_flash}",
            f"  RAM      {need.ram} bytes, stack at most {need.stack}{has_ram}",
            *_window(program, need),
            f"  bounds   of code and stack hold for {program.target.compiled_with}",
            *(f"  note     {note}" for note in _notes(program)),
            f"  files    {' '.join(str(path) for path in paths)}",
        ]
    )
