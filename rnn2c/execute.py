"""Run whole sequences through the reference interpreter, by the model's own names.

Shapes: [T, n] per step and [n] per sequence, or with a batch dimension in front; floats are
quantized on the way in and dequantized on the way out by the formats of the Program.  Of outputs
that come at some steps only, T counts these.  A program in float32 takes and gives floats as they
are; run_integer refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnn2c import arith, arith_f32
from rnn2c.errors import Rnn2cError
from rnn2c.interp import Interpreter
from rnn2c.interp_numbers import dtype_of
from rnn2c.ir.graph import FloatArray, IntArray, NumberArray
from rnn2c.ir.program import Buffer, Program, Signal
from rnn2c.ir.tokens import checked_tokens, token_columns


def run_integer(program: Program, inputs: Mapping[str, NDArray[np.integer]]) -> dict[str, IntArray]:
    """Run whole sequences on raw integers by model names: [T, n] or [N, T, n]; [n] or [N, n]."""
    if program.is_float:
        raise Rnn2cError("the program computes in float32, it takes no raw integers; use run")
    return _run_arrays(program, inputs)


def _run_arrays(program: Program, inputs: Mapping[str, NumberArray]) -> dict[str, NumberArray]:
    """The same on arrays of the types of the C arguments."""
    arrays, batch, steps, plain = _batched(program, inputs)
    machine = Interpreter(program, batch)
    machine.init(
        {
            s.buffer: arrays[s.name]
            for s in program.inputs
            if s.rate == "sequence" and s.name in arrays
        }
    )
    per_step: dict[str, list[NumberArray]] = {
        s.buffer: [] for s in program.outputs if s.rate == "step"
    }
    moving = [s for s in program.inputs if s.rate == "step"]
    for t in range(steps):
        out = machine.step({s.buffer: arrays[s.name][:, t] for s in moving})
        for name, array in (out or {}).items():
            per_step[name].append(array)
    final = machine.finish()
    results = {
        s.name: _rows(program.buffer[s.buffer], per_step[s.buffer], batch)
        if s.rate == "step"
        else final[s.buffer]
        for s in program.outputs
    }
    return {name: array[0] for name, array in results.items()} if plain else results


def _rows(buffer: Buffer, rows: list[NumberArray], batch: int) -> NumberArray:
    """[N, K, n] of the K steps that had an output."""
    if not rows:
        return np.zeros((batch, 0, buffer.size), dtype_of(buffer.type))
    return np.stack(rows, axis=1)


def run(program: Program, inputs: Mapping[str, NDArray[np.floating]]) -> dict[str, FloatArray]:
    """Quantize the inputs, run, dequantize the outputs; shapes as in run_integer."""
    results = _run_arrays(program, quantize_inputs(program, inputs))
    return {s.name: _real(s, results[s.name]) for s in program.outputs}


def quantize_inputs(
    program: Program, inputs: Mapping[str, NDArray[np.floating]]
) -> dict[str, NumberArray]:
    """Floats as what the C takes, by model names; Rnn2cError for NaN, infinity, unknown names."""
    signals = {s.name: s for s in program.inputs}
    _check_names(program, inputs)
    return {name: _quantized(signals[name], np.asarray(a)) for name, a in inputs.items()}


def _quantized(signal: Signal, array: NumberArray) -> NumberArray:
    if signal.kind == "token":
        columns = token_columns(array, batched=False)
        tokens = checked_tokens(columns, signal.format.hi + 1, f"input '{signal.name}'")
        return tokens.astype(np.int64)
    real = _finite(signal.name, np.asarray(array, np.float64))
    if signal.channels:
        real = real / np.array(signal.channels)
    return _finite(signal.name, signal.format.quantize(real))


def _real(signal: Signal, q: NumberArray) -> FloatArray:
    if signal.kind == "label":
        return q.astype(np.float64)
    return signal.format.dequantize(q)


def _finite(name: str, array: NumberArray) -> NumberArray:
    if not np.all(np.isfinite(np.asarray(array))):
        raise Rnn2cError(f"input '{name}' holds NaN or infinity; give finite numbers")
    return array


def _check_names(program: Program, inputs: Mapping[str, object]) -> None:
    known = [s.name for s in program.inputs]
    for name in inputs:
        if name not in known:
            raise Rnn2cError(f"input '{name}': the program has {', '.join(known)}")


def _of_type(name: str, values: NumberArray, buffer: Buffer) -> NumberArray:
    """The array as its buffer holds it; Rnn2cError for integers that its C type cannot hold."""
    array = np.asarray(values)
    if buffer.type == "f32":
        return array.astype(dtype_of(buffer.type))
    if array.dtype.kind not in "iu":
        raise Rnn2cError(f"input '{name}' has type {array.dtype}, expected integers; use run")
    if array.size and (array.min() < buffer.lo or array.max() > buffer.hi):
        raise Rnn2cError(f"input '{name}' leaves [{buffer.lo}, {buffer.hi}] of its C type")
    return array.astype(np.int64)


def _batched(
    program: Program, inputs: Mapping[str, NumberArray]
) -> tuple[dict[str, NumberArray], int, int, bool]:
    """Inputs with a batch dimension, its length, the number of steps, and whether it was added."""
    _check_names(program, inputs)
    arrays: dict[str, NumberArray] = {}
    batches, lengths, plain = set(), set(), True
    for signal in program.inputs:
        rank = 2 if signal.rate == "step" else 1
        if signal.name not in inputs:
            if rank == 1:
                continue
            raise Rnn2cError(f"input '{signal.name}' is missing")
        buffer = program.buffer[signal.buffer]
        size = buffer.size
        array = _of_type(signal.name, inputs[signal.name], buffer)
        if array.ndim not in (rank, rank + 1) or array.shape[-1] != size:
            shape = f"[T, {size}]" if rank == 2 else f"[{size}]"
            raise Rnn2cError(
                f"input '{signal.name}' has shape {list(array.shape)}, expected {shape}"
            )
        plain = plain and array.ndim == rank
        arrays[signal.name] = array if array.ndim == rank + 1 else array[None]
        batches.add(arrays[signal.name].shape[0])
        if rank == 2:
            lengths.add(array.shape[-2])
    if len(batches) > 1 or len(lengths) > 1:
        raise Rnn2cError(
            f"inputs differ in length: batch {sorted(batches)}, steps {sorted(lengths)}"
        )
    steps = lengths.pop() if lengths else 0
    if steps < 1:
        raise Rnn2cError("a sequence needs at least one time step")
    return arrays, batches.pop(), steps, plain


def from_raw(program: Program, counts: NDArray[np.integer]) -> NumberArray:
    """Sensor counts [..., n] as the C takes the input, exactly as NAME_from_raw does.

    Raises Rnn2cError for a program that was built without an input scale.
    """
    raw = program.raw_input
    if raw is None:
        raise Rnn2cError("the program has no from_raw; give --input-scale when it is built")
    multiplier, offset = program.const[raw.multiplier].data, program.const[raw.offset].data
    if raw.shift is None:
        real = np.asarray(counts, np.float32)
        return np.asarray(arith_f32.affine_f32(real, offset, multiplier), np.float32)
    shift = program.const[raw.shift].data
    scaled = arith.affine(np.asarray(counts, np.int64), multiplier, offset, shift)
    saturate = arith.sat8 if program.buffer[raw.buffer].type == "i8" else arith.sat16
    return np.asarray(saturate(scaled), np.int64)
