"""Lower from_raw: sensor counts to the model's input, mean and scale folded into one product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.ir.graph import FloatArray, IntArray
from rnn2c.ir.program import RawInput, Signal
from rnn2c.lower.builder import Builder

LARGEST_SHIFT = 24


@dataclass(frozen=True)
class RawScale:
    """model input = (count - offset) * scale, one number per channel or one for all."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]


def raw_channels(
    b: Builder, inputs: tuple[Signal, ...], raw: RawScale
) -> tuple[Signal, FloatArray, FloatArray]:
    """The input that counts become, with scale and offset of each channel; Rnn2cError if unfit."""
    moving = [s for s in inputs if s.rate == "step"]
    if len(moving) != 1:
        raise Rnn2cError(
            f"--input-scale needs a model with one per-step input, this one has {len(moving)}"
        )
    signal = moving[0]
    if signal.kind == "token":
        raise Rnn2cError("--input-scale is for sensor counts, the input of this model is a token")
    size = b.sizes[signal.name]
    scale = _per_channel(raw.scale, size, "--input-scale")
    zero = _per_channel(raw.offset, size, "--input-offset")
    if np.any(np.abs(zero) > 65536):
        raise Rnn2cError(f"--input-offset {np.abs(zero).max():g} is beyond any 16-bit count")
    return signal, scale, zero


def lower_raw(b: Builder, inputs: tuple[Signal, ...], raw: RawScale) -> RawInput:
    """Multiplier and offset of every channel for `arith.affine`; Rnn2cError if one is unfit."""
    signal, scale, zero = raw_channels(b, inputs, raw)
    factor = scale / np.array(signal.scales or (signal.format.scale,))
    if not 0 < float(np.abs(factor).max()) < 2**15:
        raise Rnn2cError(
            f"--input-scale {scale.max():g} does not suit this input; give units per count"
        )
    point = signal.format.zero_point
    shift = np.array([_shift(f, z, point) for f, z in zip(factor, zero, strict=True)])
    multiplier, offset = _constants(factor, zero, point, shift)
    return RawInput(
        signal=signal.name,
        buffer=signal.buffer,
        multiplier=b.const("raw_multiplier", multiplier, f"units per count: {_listed(scale)}"),
        offset=b.const("raw_offset", offset, f"count at input 0, and rounding: {_listed(zero)}"),
        shift=b.const("raw_shift", shift, "of (count * multiplier + offset) / 2^shift"),
        scale=tuple(map(float, scale)),
        zero=tuple(map(float, zero)),
    )


def _constants(
    factor: FloatArray, zero: FloatArray, point: int, shift: IntArray
) -> tuple[IntArray, IntArray]:
    """Multiplier and offset (with the rounding constant) of channels with these shifts."""
    scaled = factor * 2.0**shift
    offset = np.round(point * 2.0**shift - zero * scaled) + 2.0 ** (shift - 1)
    return np.round(scaled).astype(np.int64), offset.astype(np.int64)


def _shift(factor: float, zero: float, point: int) -> int:
    """The largest shift of a channel whose constants and sums fit their types."""
    for shift in range(LARGEST_SHIFT, 0, -1):
        one = np.array([factor]), np.array([zero]), point, np.array([shift])
        ((multiplier,), (offset,)) = _constants(*one)
        if abs(multiplier) <= 32767 and abs(offset) + 32768 * abs(multiplier) < 2**31:
            return shift
    raise Rnn2cError(
        f"--input-scale makes one count {abs(factor):g} steps of this input (at offset {zero:g});"
        " give units per count"
    )


def _listed(values: FloatArray) -> str:
    return ", ".join(f"{v:.6g}" for v in values)


def _per_channel(values: tuple[float, ...], size: int, option: str) -> FloatArray:
    if len(values) not in (1, size):
        raise Rnn2cError(f"{option} has {len(values)} numbers, expected 1 or {size}")
    array = np.asarray(values, np.float64)
    if not np.all(np.isfinite(array)):
        raise Rnn2cError(f"{option}: every number must be finite")
    return np.broadcast_to(array, (size,))
