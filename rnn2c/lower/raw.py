"""Lower from_raw: sensor counts to the model's input, mean and scale folded into one product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnn2c.errors import Rnn2cError
from rnn2c.ir.graph import FloatArray
from rnn2c.ir.program import RawInput, Signal
from rnn2c.lower.builder import Builder


@dataclass(frozen=True)
class RawScale:
    """model input = (count - offset) * scale, one number per channel or one for all."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]


def lower_raw(b: Builder, inputs: tuple[Signal, ...], raw: RawScale) -> RawInput:
    """Multiplier and offset of every channel for `arith.affine`; Rnn2cError if one is unfit."""
    moving = [s for s in inputs if s.rate == "step"]
    if len(moving) != 1:
        raise Rnn2cError(
            f"--input-scale needs a model with one per-step input, this one has {len(moving)}"
        )
    signal = moving[0]
    size = b.sizes[signal.name]
    scale = _per_channel(raw.scale, size, "--input-scale")
    zero = _per_channel(raw.offset, size, "--input-offset")
    if np.any(np.abs(zero) > 65536):
        raise Rnn2cError(f"--input-offset {np.abs(zero).max():g} is beyond any 16-bit count")
    factor = scale / signal.format.scale
    top = float(np.abs(factor).max())
    if not np.isfinite(top) or top == 0 or top > 2**14:
        raise Rnn2cError(
            f"--input-scale {scale.max():g} does not suit this input; give units per count"
        )
    shift = int(np.clip(14 - np.floor(np.log2(top)), 1, 24))
    multiplier = np.clip(np.round(factor * 2.0**shift), -32767, 32767).astype(np.int64)
    offset = np.round((signal.format.zero_point - zero * factor) * 2.0**shift) + 2 ** (shift - 1)
    limit = 2**31 - 1 - 32768 * np.abs(multiplier)
    offset = np.clip(offset, -limit, limit).astype(np.int64)
    return RawInput(
        signal=signal.name,
        buffer=signal.buffer,
        multiplier=b.const("raw_multiplier", multiplier, f"[{size}]"),
        offset=b.const("raw_offset", offset, f"[{size}]"),
        shift=shift,
        scale=tuple(map(float, scale)),
        zero=tuple(map(float, zero)),
    )


def _per_channel(values: tuple[float, ...], size: int, option: str) -> FloatArray:
    if len(values) not in (1, size):
        raise Rnn2cError(f"{option} has {len(values)} numbers, expected 1 or {size}")
    array = np.asarray(values, np.float64)
    if not np.all(np.isfinite(array)):
        raise Rnn2cError(f"{option}: every number must be finite")
    return np.broadcast_to(array, (size,))
