"""The whole compiler as one function: a model file or module in, a Program for a target out.

Only this file knows the stages; only the command line and the Python API know this file.  The
Model is checked before and after every pass, and every Program is proven before it is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from rnn2c.budget import budget, check_fits
from rnn2c.calibration import SequenceSet, as_sequence_set
from rnn2c.emit import emit_c
from rnn2c.emit.shared import share_tables
from rnn2c.errors import Rnn2cError
from rnn2c.files import write_files
from rnn2c.frontend import WHOLE, Part, load, make_part, parse_part, zeros
from rnn2c.ir.check import check_model
from rnn2c.ir.graph import Model
from rnn2c.ir.program import Program
from rnn2c.ir.window import whole_sequence
from rnn2c.lower import RawScale, check_max_steps, lower
from rnn2c.passes import (
    fold_affine,
    fuse_activation,
    recover_cells,
    sink_flips,
    sink_last_step,
    spread_channels,
)
from rnn2c.proof import verify_ranges
from rnn2c.quantization import QuantizeOptions, coarse_inputs, given_matrices, quantize_model
from rnn2c.tailor import tailor
from rnn2c.tailor.levels import within_flash
from rnn2c.tailor.widths import StageSums, SumChoice, stage_sums
from rnn2c.target import LEVELS, Target, load_target
from rnn2c.validate.bench import Bench, bench_in_temporary
from rnn2c.validate.power import Power, power_of
from rnn2c.validate.verify import (
    Report,
    Sequences,
    raw_sequences,
    stress_sequences,
    verify_in_temporary,
)

__all__ = [
    "LEVELS", "PASSES", "STAGES", "WHOLE", "Bench", "Compiled", "Memory", "Part", "Power",
    "QuantizeOptions", "RawScale", "Report", "StageSums", "SumChoice", "bench", "compile_float32",
    "compile_model", "emit", "emit_c", "load", "lower_model", "make_part", "memory", "parse_part",
    "power_of", "prepare", "quantize", "share_tables", "sums_of", "verify", "zeros",
]  # fmt: skip

Pass = Callable[[Model], Model]
PASSES: tuple[Pass, ...] = (
    sink_flips,
    sink_last_step,
    fold_affine,
    recover_cells,
    fuse_activation,
)
STAGES = ("float", "fused", "quantized", "program", "c")


@dataclass(frozen=True)
class Compiled:
    """Every stage of one compilation, for `--emit` and for those who want to look.

    quantized is None where the program computes in float32.
    """

    float: Model
    fused: Model
    quantized: Model | None
    program: Program


def compile_model(
    model: Model,
    data: SequenceSet,
    target: Target,
    options: QuantizeOptions,
    raw: RawScale | None = None,
    max_steps: int | None = None,
    level: str = "balanced",
    max_flash: int | None = None,
) -> Compiled:
    """float Model -> fused -> quantized -> proven Program that fits the target."""
    fused = prepare(model)
    check_max_steps(fused, max_steps)
    quantized = quantize(fused, data, options)
    program = lower_model(quantized, target, raw, max_steps, level, max_flash)
    return Compiled(model, fused, quantized, program)


def compile_float32(
    model: Model,
    target: Target,
    raw: RawScale | None = None,
    max_steps: int | None = None,
    level: str = "balanced",
    max_flash: int | None = None,
) -> Compiled:
    """float Model -> fused -> checked Program in float32 that fits the target; no data needed."""
    fused = prepare(model)
    program = lower_model(fused, target, raw, max_steps, level, max_flash)
    return Compiled(model, fused, None, program)


@dataclass(frozen=True)
class Memory:
    """Bytes that a precision needs: weights with biases and multipliers, the state struct, and of
    that for each step of a sequence what has to wait for its end.
    """

    precision: str
    weights: int
    state: int
    per_step: int = 0


def memory(model: Model) -> tuple[Memory, ...]:
    """What a prepared Model needs as int8, int4 (unless it came with wider integers) and float32.

    The integer sizes are those of programs for the host in profile accurate, calibrated with noise:
    ranges move the scales and leave the sizes as they are, up to a bias or a multiplier.
    """
    data = _noise(model)
    found = []
    kept = max((t.bits for p in model.layers for t in given_matrices(p).values()), default=0)
    for width in ("int8", "int4"):
        options = QuantizeOptions(weights=width)
        if kept > options.weight_bits:
            continue
        found.append(_memory(width, quantize(model, data, options)))
    return (*found, _memory("float32", model))


def sums_of(model: Model, target: Target, data: SequenceSet | None) -> tuple[StageSums, ...]:
    """The sums of a prepared Model on a target, with int8 weights in the target's profile, and what
    they would take in other widths; data: calibration sequences, noise if there are none.
    """
    options = QuantizeOptions(profile=target.profile)
    quantized = quantize(model, _noise(model) if data is None else data, options)
    return stage_sums(lower(quantized, target, None, 1 if whole_sequence(model) else None))


def _noise(model: Model) -> SequenceSet:
    random = np.random.default_rng(0)
    noise = {
        i.name: random.integers(0, i.tokens, (8, 1)).astype(np.float64)
        if i.tokens
        else random.standard_normal((8, i.size) if i.rate == "step" else (i.size,))
        for i in model.inputs
    }
    return as_sequence_set([noise], model)


def _memory(precision: str, model: Model) -> Memory:
    steps = 1 if whole_sequence(model) else None
    need = budget(lower(model, load_target("host"), None, steps))
    return Memory(precision, need.weights, need.ram - need.window, need.window)


def prepare(model: Model) -> Model:
    """Run the passes that need no numbers."""
    check_model(model)
    for run in PASSES:
        model = run(model)
        check_model(model)
    return model


def quantize(model: Model, data: SequenceSet, options: QuantizeOptions) -> Model:
    """Quantize a prepared Model; an input that one scale is too coarse for gets one per channel."""
    quantized = quantize_model(model, data, options)
    spread = spread_channels(model, coarse_inputs(quantized, data))
    if spread is not model:
        check_model(spread)
        quantized = quantize_model(spread, data, options)
    check_model(quantized)
    return quantized


def lower_model(
    model: Model,
    target: Target,
    raw: RawScale | None = None,
    max_steps: int | None = None,
    level: str = "balanced",
    max_flash: int | None = None,
) -> Program:
    """Lower, tailor to the target's kernels, prove that nothing overflows, and check that it fits.

    max_steps: the most steps of a sequence, for a Model that waits for the end of it.  level: size,
    balanced, speed or another one of the target; it changes no bit.  max_flash: bytes, for which
    the level gives way.
    """
    plain = lower(model, target, raw, max_steps)
    most = target.parse_level(level)
    program = within_flash(partial(tailor, plain), target.levels, most, max_flash)
    verify_ranges(program)
    check_fits(program)
    return program


def emit(program: Program, folder: Path) -> tuple[Path, ...]:
    """Write the C files of a program into a folder; all of them or none.

    Shared tables join those of the models that are there.
    """
    beside = _sources(folder) if program.tables_file else {}
    return write_files(folder, emit_c(program, beside))


def _sources(folder: Path) -> dict[str, str]:
    """The C sources in a folder; what is no text in them does not matter."""
    try:
        files = [f for f in sorted(folder.glob("*.c")) if f.is_file()]
        return {f.name: f.read_text(encoding="ascii", errors="replace") for f in files}
    except OSError as error:
        raise Rnn2cError(f"cannot read {folder}: {error.strerror or error}") from None


def verify(program: Program, sequences: Sequences, *, stress_steps: int = 16) -> Report:
    """Run the C in the target's emulator on float sequences and, after them, on extreme inputs.

    stress_steps: length of the extreme sequences, 0 for none.
    """
    if not sequences and not stress_steps:
        raise Rnn2cError("verify needs at least one sequence")
    raw = raw_sequences(program, sequences)
    stress_steps = min(stress_steps, program.max_steps or stress_steps)
    extreme = stress_sequences(program, stress_steps) if stress_steps else []
    report = verify_in_temporary(program, emit_c(program), [*raw, *extreme])
    return replace(report, extremes=len(extreme))


def bench(
    program: Program, sequences: Sequences, *, steps: int = 8, power: Power | None = None
) -> Bench:
    """Count one sequence, cut to `steps` steps, in the target's emulator; without one, noise.

    power: clock, supply and current for time and energy [default: those of the target's file].
    Of a program that waits for the end of a sequence it is the longest one: finish costs most then.
    """
    steps = program.max_steps or steps
    (raw,) = raw_sequences(program, sequences[:1]) or stress_sequences(program, steps)[:1]
    moving = {s.buffer for s in program.inputs if s.rate == "step"}
    short = {name: a[:steps] if name in moving else a for name, a in raw.items()}
    power = power or power_of(program.target)
    return bench_in_temporary(program, emit_c(program), short, power)
