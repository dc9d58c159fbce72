"""Whether a model means the same everywhere: import, float32 program and C, integer program and C.

`check` takes cases, a model with inputs and the outputs its own runtime gives, and returns an
Outcome for each: refused with a message, or accepted with a list of what failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from batch_c import Batch
from numpy.typing import NDArray
from quantization_error import allowed_errors

from rnn2c.calibration import as_sequence_set
from rnn2c.errors import Rnn2cError
from rnn2c.execute import run
from rnn2c.frontend import load
from rnn2c.frontend.rounding import rounding_allowed
from rnn2c.ir.graph import FloatArray, Model, Tensor
from rnn2c.ir.program import Program
from rnn2c.passes import spread_channels
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model
from rnn2c.target import load_target
from rnn2c.validate.compare import SequenceResult, compare, largest_error
from rnn2c.validate.verify import raw_sequences, reference

Arrays = Mapping[str, NDArray[Any]]
TOLERANCE = 1e-5
HOST = load_target("host")
OPTIONS = {
    "accurate": QuantizeOptions(),
    "int16": QuantizeOptions(activations="int16"),
    "fast": QuantizeOptions(profile="fast"),
    "compact": QuantizeOptions(profile="compact"),
}


@dataclass(frozen=True, eq=False)
class Case:
    """An ONNX model with what its runtime computes, by the source's tensor names and in its shapes;
    or a Model with inputs of its own, whose import somebody else checks.

    tolerance: relative and absolute, of the given outputs themselves.
    """

    name: str
    source: onnx.ModelProto | Model
    inputs: Arrays
    outputs: Arrays
    tolerance: tuple[float, float] = (TOLERANCE, TOLERANCE)


@dataclass
class Outcome:
    """refusal: the message, "" where the model is accepted; errors: relative to the scale of the
    output, by stage; bounds: what the integer stages were allowed; rounding: what float32 is, more
    than TOLERANCE only where large weights amplify rounding.
    """

    case: Case
    refusal: str = ""
    failures: list[str] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)
    rounding: float = TOLERANCE

    def expect(self, stage: str, holds: bool, text: str) -> None:
        if not holds:
            self.failures.append(f"{self.case.name}: {stage}: {text}")


def check(cases: Sequence[Case], folder: Path) -> list[Outcome]:
    """All stages of all cases; the C of all of them is compiled at once."""
    batch = Batch(folder)
    outcomes = [Outcome(case) for case in cases]
    runs: list[tuple[Outcome, str, _Run]] = []
    for number, outcome in enumerate(outcomes):
        try:
            model, inputs = _imported(outcome, folder / f"case{number}.onnx")
            runs += [(outcome, *r) for r in _programs(outcome, number, model, inputs, batch)]
        except Rnn2cError as error:
            outcome.refusal = str(error)
    if batch.made:
        batch.compile()
    for outcome, stage, made in runs:
        _check_c(outcome, stage, made, batch.run(made.number))
    return outcomes


@dataclass(frozen=True, eq=False)
class _Run:
    number: int
    program: Program
    wanted: Mapping[str, FloatArray]
    raw: list[dict[str, NDArray[Any]]]


def _imported(outcome: Outcome, path: Path) -> tuple[Model, Mapping[str, FloatArray]]:
    """The Model, checked against the given outputs, and its inputs."""
    case = outcome.case
    if isinstance(case.source, Model):
        outcome.rounding = _rounding(case.source, case.inputs)
        return case.source, case.inputs
    path.write_bytes(case.source.SerializeToString())
    model = load(path, cross_check=False)
    inputs, wanted = model_inputs(case, model), model_outputs(case, model)
    got = model.run(inputs)
    relative, absolute = case.tolerance
    outcome.rounding = _rounding(model, inputs)
    for name, array in wanted.items():
        absolute = max(absolute, outcome.rounding)
        close = np.allclose(got[name], array, relative, absolute * max(1.0, np.abs(array).max()))
        outcome.expect("import", close, f"{name} differs by {np.abs(got[name] - array).max():.1e}")
    outcome.errors["import"] = _worst(wanted, got)
    return model, inputs


def _rounding(model: Model, inputs: Mapping[str, FloatArray]) -> float:
    """The tolerance, and more only where two runs in float32 may be further apart."""
    allowed = rounding_allowed(model, inputs)
    return allowed if allowed <= TOLERANCE else 2 * allowed


def _programs(
    outcome: Outcome, number: int, model: Model, inputs: Mapping[str, FloatArray], batch: Batch
) -> list[tuple[str, _Run]]:
    """Check the interpreter; hand the programs to the batch."""
    got = model.run(inputs)
    waits = "window" in model.rates().values()
    longest = max(len(a) for a in inputs.values() if a.ndim == 2) if waits else None
    compiled = compile_float32(model, HOST, max_steps=longest)
    made = [("float32", _add(batch, compiled.program, f"m{number}_float32", got, inputs))]
    _expect_close(outcome, "float32 program", got, run(compiled.program, inputs))
    data = as_sequence_set(similar(inputs), model)
    for stage, options in OPTIONS.items():
        compiled = compile_model(model, data, HOST, options, max_steps=longest)
        assert compiled.quantized is not None
        _check_weights(outcome, stage, compiled.fused, compiled.quantized)
        _check_integers(outcome, stage, compiled.quantized, compiled.program, inputs)
        made.append((stage, _add(batch, compiled.program, f"m{number}_{stage}", got, inputs)))
    return made


def _add(batch: Batch, program: Program, name: str, wanted: Arrays, inputs: Arrays) -> _Run:
    program = replace(program, name=name)
    raw = raw_sequences(program, [inputs])
    return _Run(batch.add(program, raw), program, wanted, raw)


def _check_weights(outcome: Outcome, stage: str, real: Model, quantized: Model) -> None:
    """Every weight is rounded to the nearest step, those that carry scales of channels too."""
    channels = {i.name: 2 * (np.asarray(i.channels),) for i in quantized.inputs if i.channels}
    for before in spread_channels(real, channels).layers:
        after = quantized.layer(before.name)
        for name, tensor in vars(after).items():
            if isinstance(tensor, Tensor) and tensor.scale is not None:
                error = np.abs(getattr(before, name).real() - tensor.real())
                close = error <= 0.501 * tensor.scale[:, None]
                outcome.expect(stage, bool(np.all(close)), f"{after.name}.{name} is misrounded")


def _check_integers(
    outcome: Outcome, stage: str, quantized: Model, program: Program, inputs: Arrays
) -> None:
    """The program against the reals its own weights stand for, within the error of rounding."""
    exact, got = quantized.run(inputs), run(program, inputs)
    allowed = allowed_errors(quantized, inputs)
    for name, array in exact.items():
        error = float(np.abs(got[name] - array).max())
        text = f"{name} is off by {error:.4f}, rounding explains {allowed[name]:.4f}"
        outcome.expect(stage, error <= allowed[name], text)
    outcome.errors[stage] = _worst(exact, got)
    scale = {n: max(1.0, float(np.abs(a).max())) for n, a in exact.items()}
    outcome.bounds[stage] = max(allowed[n] / scale[n] for n in exact)


def _check_c(outcome: Outcome, stage: str, made: _Run, got: list[SequenceResult]) -> None:
    interface = made.program.interface()
    wanted = [reference(made.program, s) for s in made.raw]
    mismatch = compare(wanted, got, interface)
    outcome.expect(f"{stage} C", mismatch is None, f"differs from the program: {mismatch}")
    if made.program.is_float:
        outcome.errors["float32"] = largest_error(wanted, got)
        _expect_close(
            outcome, "float32 C", made.wanted, by_names(made.program, got[0], made.wanted)
        )


def by_names(program: Program, got: SequenceResult, wanted: Arrays) -> dict[str, FloatArray]:
    """Outputs by the model's own names, as real numbers, as many rows as are wanted."""
    found = {}
    for s in program.outputs:
        rows = got.outputs[s.buffer][got.codes == 0] if s.rate == "step" else got.finals[s.buffer]
        if s.rate == "window":  # room for as many steps as there could be
            rows = rows.reshape(-1, program.buffer[s.buffer].size)[: len(wanted[s.name])]
        found[s.name] = np.asarray(rows, np.float64)
    return found


def _expect_close(outcome: Outcome, stage: str, wanted: Arrays, got: Arrays) -> None:
    worst = _worst(wanted, got)
    outcome.expect(stage, worst <= outcome.rounding, f"differs by {worst:.1e} of the scale")


def _worst(wanted: Arrays, got: Arrays) -> float:
    """The largest difference relative to the scale of the output."""
    found = 0.0
    for name, array in wanted.items():
        scale = max(1.0, float(np.abs(array).max()))
        found = max(found, float(np.abs(got[name] - array).max()) / scale)
    return found


def similar(inputs: Mapping[str, FloatArray], count: int = 3) -> list[dict[str, FloatArray]]:
    """The inputs, and sequences of the same length and magnitude to calibrate on."""
    rng = np.random.default_rng(0)
    return [dict(inputs), *({k: _like(a, rng) for k, a in inputs.items()} for _ in range(count))]


def _like(array: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    if array.dtype.kind in "iu":  # tokens
        return rng.permutation(array)
    return array + 0.1 * array.std() * rng.standard_normal(array.shape)


def model_inputs(case: Case, model: Model) -> dict[str, FloatArray]:
    """The source's inputs as the Model takes them: NAME, or NAME.k of a stack of states."""
    return {i.name: _parts(case.inputs, i.name, i.rate == "step", i.size) for i in model.inputs}


def model_outputs(case: Case, model: Model) -> dict[str, FloatArray]:
    """The source's outputs in the same way."""
    sizes, rates = model.sizes(), model.rates()
    return {
        o.name: _parts(case.outputs, o.name, rates[o.value] != "sequence", sizes[o.value])
        for o in model.outputs
    }


def _parts(arrays: Arrays, name: str, in_time: bool, size: int) -> FloatArray:
    """[T, size] or [size], cut out of a tensor of batch 1: [T, 1, n], [1, T, n], [T, D, 1, n]"""
    stem, _, part = (name, "", "") if name in arrays else name.rpartition(".")
    array = np.asarray(arrays[stem], np.float64)
    stack = array.shape[-2 if array.ndim < 4 else -3] if part else 1
    if part and array.ndim == 4 and array.shape[2] > 1:
        stack = array.shape[2]  # [1, T, D, n]
    if part and not in_time:
        stack = array.size // size
    rows = array.reshape(-1, stack, size)[:, int(part or 0)]
    return rows if in_time else rows.reshape(size)
