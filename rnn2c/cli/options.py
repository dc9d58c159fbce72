"""Options that several commands share, as named decorators, and what they make together."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from rnn2c.calibration import SequenceSet, read_sequences
from rnn2c.errors import Rnn2cError, quoted
from rnn2c.ir.graph import Model
from rnn2c.pipeline import LEVELS, zeros

LARGEST_EXAMPLE = 1 << 22
F = TypeVar("F", bound=Callable[..., Any])


def _file(name: str, help_: str, *, required: bool = False) -> Callable[[F], F]:
    return click.option(name, type=click.Path(path_type=Path), required=required, help=help_)


SOURCE = (
    click.option(
        "--module",
        metavar="FILE.py:FUNCTION",
        help="For a .pt file of weights: what makes its module. The file is executed.",
    ),
    click.option(
        "--example-shape",
        metavar="1,T,N[;...]",
        help="Shapes of the inputs of that module, if FUNCTION does not return them.",
    ),
)
"""Where a module comes from that a file of weights belongs to."""


def part_options(command: F) -> F:
    """--from, --to, --state and --shape of an ONNX graph."""
    for decorate in reversed(
        (
            _many("--from", "from_", "TENSOR[,TENSOR]", "Begin here: only what follows is read."),
            _many("--to", "to", "TENSOR[,TENSOR]", "End here: these are the outputs."),
            _many("--state", "state", "IN=OUT", "Input IN gets output OUT at the next step."),
            _many("--shape", "shape", "TENSOR=1,T,N", "Shape of an input the file leaves open."),
        )
    ):
        command = decorate(command)
    return command


def _many(flag: str, name: str, metavar: str, help_: str) -> Callable[[F], F]:
    return click.option(
        flag, name, multiple=True, metavar=metavar, help=f"{help_} ONNX only; may be repeated."
    )


def model_options(command: F) -> F:
    """MODEL, --calib, --target and everything that decides the numbers."""
    decorate = click.argument("model", type=click.Path(path_type=Path))
    return decorate(compile_options(command))


def compile_options(command: F) -> F:
    """The options of `model_options` without MODEL."""
    for decorate in reversed(
        (
            *SOURCE,
            part_options,
            _file("--calib", "Calibration sequences (.npz, one array per model input)."),
            click.option(
                "--target", default="host", show_default=True, help="See `rnn2c targets`."
            ),
            _choice("--optimize", "balanced", LEVELS, "What to save: it never changes a bit."),
            click.option(
                "--max-flash",
                type=int,
                metavar="BYTES",
                help="Take a smaller level than --optimize where the model needs more.",
            ),
            _choice("--precision", "int", ("int", "float32"), "Integers, or float32 for an FPU."),
            click.option("--name", help="Name of the C files and functions [default: the file's]."),
            _choice(
                "--weights",
                "int8",
                ("int8", "int4", "int4-overlapped", "ternary"),
                "Width of the weights.",
            ),
            _choice("--activations", "int8", ("int8", "int16"), "Width of h between layers."),
            _choice(
                "--profile",
                None,
                ("accurate", "fast", "compact"),
                "Numeric profile [default: the target's].",
            ),
            _choice(
                "--accumulate", "auto", ("auto", "joint", "split"), "One sum over x and h, or two."
            ),
            _choice(
                "--sum-width", "int32", ("int32", "int16"), "int16: coarser weights, fast on AVR."
            ),
            _choice("--inputs", "auto", ("auto", "int8"), "Width of x: as cells ask, or 8 bits."),
            _choice(
                "--observer", "minmax", ("minmax", "percentile"), "How calibration finds ranges."
            ),
            click.option(
                "--percentile",
                type=float,
                help="For --observer percentile [default: 99.99].",
            ),
            click.option(
                "--input-scale",
                metavar="S[,S...]",
                help="Emit from_raw: input = (count - offset) * S.",
            ),
            click.option(
                "--input-offset",
                metavar="O[,O...]",
                help="Count at input 0, for --input-scale [default: 0].",
            ),
            click.option(
                "--max-steps",
                type=int,
                metavar="N",
                help="Most steps of a sequence, for a model that needs it whole (reverse layers).",
            ),
            click.option(
                "--shared-tables",
                metavar="NAME",
                help="Put look-up tables into NAME_tables.c, once for all models of a folder.",
            ),
            click.option(
                "--far-constants",
                is_flag=True,
                help="Keep constants out of the first 64 KB of flash (AVR with more than that).",
            ),
            click.option(
                "--crosscheck/--no-crosscheck",
                default=True,
                help="Compare the import with onnxruntime.",
            ),
        )
    ):
        command = decorate(command)
    return command


def _choice(
    name: str, default: str | None, values: tuple[str, ...], help_: str
) -> Callable[[F], F]:
    shown = default is not None
    return click.option(
        name, type=click.Choice(values), default=default, show_default=shown, help=help_
    )


def json_option(command: F) -> F:
    """--json: the result as one JSON object on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def out_option(command: F) -> F:
    """-o, --out."""
    decorate = click.option(
        "-o", "--out", type=click.Path(path_type=Path), default=Path("out"), show_default=True,
        help="Folder for the C files.",
    )  # fmt: skip
    return decorate(command)


def example_input(text: str | None) -> Any:
    """`1,50,6;1,1,24` as zeros of these shapes, None for None; raises Rnn2cError."""
    if text is None:
        return None
    try:
        shapes = tuple(tuple(int(n) for n in shape.split(",")) for shape in text.split(";"))
    except ValueError:
        shapes = ((0,),)
    if any(min(shape) < 1 or math.prod(shape) > LARGEST_EXAMPLE for shape in shapes):
        raise Rnn2cError(
            f"--example-shape {quoted(text)}: expected positive sizes, such as 1,50,6, of at most "
            f"{LARGEST_EXAMPLE} elements"
        )
    return zeros(shapes)


def numbers(text: str, option: str) -> tuple[float, ...]:
    """`1,2.5,3` as floats; raises Rnn2cError naming the option."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise Rnn2cError(f"{option} {text!r}: expected numbers separated by commas") from None


def calibration(path: Path | None, model: Model) -> SequenceSet:
    """The calibration sequences; raises Rnn2cError with the shape to give if there are none."""
    if path is None:
        wanted = ", ".join(
            f"'{i.name}' [N, T] of tokens below {i.tokens}"
            if i.tokens
            else f"'{i.name}' [N, T, {i.size}]"
            if i.rate == "step"
            else f"'{i.name}' [N, {i.size}]"
            for i in model.inputs
        )
        raise Rnn2cError(f"--calib is missing: give an .npz file with {wanted} of typical inputs")
    return read_sequences(path, model)
