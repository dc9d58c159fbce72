"""rnn2c bench: flash, RAM, stack, instructions, cycles, time and energy, and where they go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from rnn2c.cli.bench_compare import compare, comparison
from rnn2c.cli.bench_plot import check_plot, plot
from rnn2c.cli.bench_record import FILE, Record, read_record
from rnn2c.cli.bench_text import summary
from rnn2c.cli.compiling import compile_from
from rnn2c.cli.options import compile_options, json_option
from rnn2c.errors import Rnn2cError
from rnn2c.files import write_files
from rnn2c.pipeline import bench as run_bench
from rnn2c.pipeline import power_of
from rnn2c.target import load_target

ABOVE_0 = click.FloatRange(min=0, min_open=True, max=1e6)


@click.command()
@click.argument("model", type=click.Path(path_type=Path), required=False)
@compile_options
@click.option("--clock-mhz", type=ABOVE_0, help="Clock for the time [default: the target file's].")
@click.option("--current-ma", type=ABOVE_0, help="Current at that clock, for the energy.")
@click.option("--voltage", type=ABOVE_0, help="Supply in volts, for the energy.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help=f"Folder to write {FILE} to.")
@click.option(
    "--plot", "picture", type=click.Path(path_type=Path), help="Draw the stages: .svg, .png."
)
@click.option(
    "--compare",
    "pair",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="OUT1 OUT2",
    help=f"Two results side by side instead: files of --json, or folders with {FILE}.",
)
@json_option
def bench(
    model: Path | None,
    pair: tuple[Path, Path] | None,
    picture: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compile MODEL and measure what one time step costs on the target."""
    check_plot(picture)
    if (model is None) == (pair is None):
        raise click.UsageError("Give MODEL, or --compare OUT1 OUT2.")
    if pair is None:
        records = [_measured(model=model, **options)]
        text = summary(records[0])
        result: object = records[0]
    else:
        _refuse_other_options()
        records = [read_record(path) for path in pair]
        text = comparison(*records)
        result = compare(*records)
    plot(picture, records)
    click.echo(json.dumps(result) if as_json else text)


def _refuse_other_options() -> None:
    """Results are what they are: an option that would have changed them is a mistake."""
    context = get_current_context()
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if given and name not in ("pair", "picture", "as_json"):
            raise click.UsageError(
                f"--compare shows two results as they are; leave out {option.opts[0]}."
            )


def _measured(
    *,
    out: Path | None,
    clock_mhz: float | None,
    voltage: float | None,
    current_ma: float | None,
    **options: Any,
) -> Record:
    """Compile, count, and write the record to `out`."""
    chosen = load_target(options["target"])
    power = power_of(chosen, clock_mhz=clock_mhz, supply_v=voltage, current_ma=current_ma)
    if out is not None and out.is_file():
        raise Rnn2cError(f"-o {out}: that is a file, give a folder")
    job = compile_from(**options)
    sequences = job.data.sequences if job.data else ()
    record = run_bench(job.compiled.program, sequences, power=power).to_json()
    record["is_float"] = job.compiled.program.is_float
    if out is not None:
        write_files(out, {FILE: json.dumps(record, indent=1) + "\n"})
    return record
