"""The Python API: load, quantize, compile, build, verify.  See the package's first lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rnn2c import pipeline
from rnn2c.calibration import SequenceSet, as_sequence_set
from rnn2c.errors import Rnn2cError
from rnn2c.ir import program as ir_program
from rnn2c.ir.graph import Model
from rnn2c.pipeline import QuantizeOptions, RawScale, Report
from rnn2c.target import Target, load_target

Data = SequenceSet | Mapping[str, NDArray[Any]] | Sequence[Mapping[str, NDArray[Any]]] | Path | str


@dataclass(frozen=True, eq=False)
class Program(ir_program.Program):
    """A compiled network: `run` it (integers: `run_integer` too), `emit` its C."""

    def emit(self, folder: Path | str) -> tuple[Path, ...]:
        """Write NAME.h, NAME.c, NAME_selftest.c and, of integer programs, NAME_float.h, and the
        shared tables, if any; returns their paths.
        """
        return pipeline.emit(self, Path(folder))


def load(
    source: Any,
    example_input: Any = None,
    *,
    name: str | None = None,
    cross_check: bool = True,
    module: str | None = None,
    from_: str | Sequence[str] = (),
    to: str | Sequence[str] = (),
    state: Mapping[str, str] | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
) -> Model:
    """A float Model from an .onnx, .pt2, .keras or .h5 file, or a torch.nn.Module (with an example
    input, batch 1).

    from_, to: tensors of an ONNX graph between which the model lies.  state: input -> the output
    that it gets at the next step (ONNX, modules).  shapes: of inputs where a file leaves them open.
    A .pt file of weights needs module="FILE.py:FUNCTION", what makes its module; it is executed.
    Raises Rnn2cError with one line that says what is not supported and what is.
    """
    return pipeline.load(
        source,
        example_input,
        name=name,
        cross_check=cross_check,
        module=module,
        part=pipeline.make_part(from_, to, state, shapes),
    )


def quantize(model: Model, calibration: Data, **options: Any) -> Model:
    """An integer Model.  options: weights, activations, profile, accumulate, observer, percentile
    (see QuantizeOptions); calibration: an .npz file, arrays by input name, or a list of them.
    """
    known = QuantizeOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            raise Rnn2cError(f"quantize has no option '{name}'; it has {', '.join(known)}")
    data = as_sequence_set(calibration, model)
    return pipeline.quantize(pipeline.prepare(model), data, QuantizeOptions(**options))


def compile(  # noqa: A001 - the API's name
    model: Model,
    target: str | Target = "host",
    *,
    input_scale: float | Sequence[float] | None = None,
    input_offset: float | Sequence[float] = 0.0,
    max_steps: int | None = None,
    optimize: str = "balanced",
    max_flash: int | None = None,
    shared_tables: str | None = None,
    far_constants: bool = False,
) -> Program:
    """Lower a quantized Model for a target and prove it; a float Model becomes float32 C.

    input_scale, input_offset: emit from_raw, model input = (count - offset) * scale; max_steps: the
    most steps of a sequence, for a model that waits for the end of it (reverse layers); optimize:
    size, balanced or speed, which never changes a bit; max_flash: bytes, for which that level gives
    way to a smaller one.  shared_tables: a name that several models
    give, to have their look-up tables once, in NAME_tables.c of the folder they are emitted into;
    far_constants: keep those out of the first 64 KB of flash that are there otherwise (AVR).
    """
    chosen = load_target(target) if isinstance(target, str) else target
    chosen = chosen.without_near if far_constants else chosen
    raw = None if input_scale is None else RawScale(_numbers(input_scale), _numbers(input_offset))
    if model.numerics is None:
        plain = pipeline.compile_float32(model, chosen, raw, max_steps, optimize, max_flash).program
    else:
        plain = pipeline.lower_model(model, chosen, raw, max_steps, optimize, max_flash)
    plain = pipeline.share_tables(plain, shared_tables)
    return Program(**{f: getattr(plain, f) for f in ir_program.Program.__dataclass_fields__})


def build(
    source: Any, calibration: Data, target: str = "host", folder: Path | str = "out", **options: Any
) -> Program:
    """load, quantize with the target's default profile, compile and emit in one call.

    options: those of quantize, and max_steps, optimize, shared_tables, far_constants of compile.
    """
    model = load(source)
    names = ("max_steps", "optimize", "shared_tables", "far_constants")
    own = {name: options.pop(name) for name in names if name in options}
    options.setdefault("profile", load_target(target).profile)
    program = compile(quantize(model, calibration, **options), target, **own)
    program.emit(folder)
    return program


def verify(program: ir_program.Program, inputs: Any) -> Report:
    """Compile the C for its target, run it in the emulator on these sequences, compare every step
    and every state buffer with the reference; extreme inputs are tried too.  Integers have to agree
    bit for bit (report.bit_exact), float32 within 1e-5 of the scale (report.agrees).

    inputs: one sequence (arrays by input name), a list of them, or a SequenceSet.
    """
    return pipeline.verify(program, _sequences(inputs))


def _sequences(inputs: Any) -> list[Mapping[str, NDArray[Any]]]:
    if isinstance(inputs, SequenceSet):
        return list(inputs.sequences)
    if isinstance(inputs, Mapping):
        return [inputs]
    return list(inputs)


def _numbers(value: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, Sequence) else (float(value),)
