"""rnn2c bench: flash, RAM, stack, instructions or cycles, measured in the emulator."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from rnn2c.cli.compiling import compile_from
from rnn2c.cli.options import json_option, model_options
from rnn2c.pipeline import Bench
from rnn2c.pipeline import bench as run_bench


@click.command()
@model_options
@json_option
def bench(as_json: bool, **options: Any) -> None:
    """Compile MODEL and measure what one time step costs on the target."""
    job = compile_from(**options)
    sequences = job.data.sequences if job.data else ()
    result = run_bench(job.compiled.program, sequences)
    click.echo(json.dumps(result.to_json()) if as_json else _summary(result))
    if job.compiled.program.is_float and not as_json:
        click.echo("  note    the flash above is without libm and the compiler's float routines")


def _summary(result: Bench) -> str:
    m = result.measured
    lines = [
        f"{result.target}: measured in its emulator",
        f"  flash   {m.flash.total} bytes: {m.flash.code + m.flash.other} code,"
        f" {m.flash.weights} weights, {m.flash.tables} tables",
        f"  RAM     {m.ram.total} bytes, stack {m.stack_bytes}",
        f"  step    {_cost(m.step.instructions, m.step.cycles)}"
        f" for {result.macs} multiply-accumulates",
    ]
    if m.finish is not None:
        steps = f" after {m.steps} steps" if result.max_steps else ""
        lines.append(f"  finish  {_cost(m.finish.instructions, m.finish.cycles)}{steps}")
    for k, name in enumerate(result.stages):
        cycles = m.step.stage_cycles[k] if m.step.stage_cycles else None
        lines.append(f"    {_cost(m.step.stage_instructions[k], cycles)}  {name}")
    return "\n".join(lines)


def _cost(instructions: int, cycles: int | None) -> str:
    return f"{instructions} instructions" if cycles is None else f"{cycles} cycles"
