"""From the options of a command to a compiled program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from click import get_current_context
from click.core import ParameterSource

from rnn2c.calibration import SequenceSet
from rnn2c.cli.options import calibration, example_input, numbers
from rnn2c.errors import Rnn2cError
from rnn2c.ir.names import identifier
from rnn2c.pipeline import (
    Compiled,
    QuantizeOptions,
    RawScale,
    compile_float32,
    compile_model,
    load,
    parse_part,
    share_tables,
)
from rnn2c.target import Target, load_target

INTEGER_OPTIONS = (
    *("calib", "weights", "activations", "profile", "accumulate", "sum_width", "observer"),
    *("percentile", "inputs"),
)
"""What decides integers only; --precision float32 refuses it."""


@dataclass(frozen=True)
class Job:
    """A compiled model and the sequences it was calibrated with; none for float32."""

    compiled: Compiled
    data: SequenceSet | None


def compile_from(
    *, model: Path, module: str | None, example_shape: str | None, target: str, name: str | None,
    from_: tuple[str, ...], to: tuple[str, ...], state: tuple[str, ...], shape: tuple[str, ...],
    crosscheck: bool, precision: str, input_scale: str | None, input_offset: str | None,
    max_steps: int | None, optimize: str, max_flash: int | None, shared_tables: str | None,
    far_constants: bool,
    **numerics: Any,
) -> Job:  # fmt: skip
    """Everything `model_options` collects, compiled; raises Rnn2cError."""
    chosen = load_target(target)
    chosen = chosen.without_near if far_constants else chosen
    raw = _raw_scale(input_scale, input_offset)
    if name is not None and identifier(name, "_") == "_":
        raise Rnn2cError(f"--name {name!r}: give a name with ASCII letters or digits")
    source: dict[str, Any] = {
        "example_input": example_input(example_shape),
        "name": name,
        "cross_check": crosscheck,
        "module": module,
        "part": parse_part(from_, to, state, shape),
    }
    if precision == "float32":
        _refuse_integer_options()
        float_model = load(model, **source)
        compiled = compile_float32(float_model, chosen, raw, max_steps, optimize, max_flash)
        return Job(_sharing(compiled, shared_tables), None)
    calib = numerics.pop("calib")
    options = _quantize_options(chosen, **numerics)
    float_model = load(model, **source)
    data = calibration(calib, float_model)
    compiled = compile_model(
        float_model, data, chosen, options, raw, max_steps, optimize, max_flash
    )
    return Job(_sharing(compiled, shared_tables), data)


def _sharing(compiled: Compiled, name: str | None) -> Compiled:
    return replace(compiled, program=share_tables(compiled.program, name))


def _refuse_integer_options() -> None:
    context = get_current_context()
    for name in INTEGER_OPTIONS:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise Rnn2cError(f"--{name} decides integers; leave it out, or --precision float32")


def _quantize_options(
    target: Target, *, percentile: float | None, profile: str | None, **numerics: Any
) -> QuantizeOptions:
    if percentile is not None:
        if numerics["observer"] != "percentile":
            raise Rnn2cError("--percentile needs --observer percentile")
        numerics["percentile"] = percentile
    return QuantizeOptions(profile=profile or target.profile, **numerics)  # type: ignore[arg-type]


def _raw_scale(scale: str | None, offset: str | None) -> RawScale | None:
    if scale is None:
        if offset is not None:
            raise Rnn2cError("--input-offset needs --input-scale")
        return None
    zero = (0.0,) if offset is None else numbers(offset, "--input-offset")
    return RawScale(numbers(scale, "--input-scale"), zero)
