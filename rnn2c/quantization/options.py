"""What a user may choose when quantizing, checked once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from rnn2c.errors import Rnn2cError
from rnn2c.quantization.observe import ObserverKind


@dataclass(frozen=True, kw_only=True)
class QuantizeOptions:
    """weights: bits of the matrices; activations: bits of h and of the values between layers.

    int4-overlapped: weights of recurrent layers are rounded so that a Cortex-M4 multiplies eight
    of them in a word without unpacking them (quantization/overlapped.py).
    ternary: each row of a recurrent layer has weights -m, 0 and m (quantization/ternary.py); other
    matrices are int8.
    profile: `accurate` (16-bit gates, interpolated tables), `fast` (the same, direct tables) or
    `compact` (8-bit gates, no multipliers); accumulate: one sum over x and h (`joint`) or one each
    (`split`); `auto` is joint for int8 and split for int16 activations, where h is too fine to
    share its scale with x; sum_width int16: weights of recurrent layers are as coarse as sums of
    16 bits ask for, the fastest ones on AVR; inputs int8: per-step inputs have 8 bits also where
    the cell that reads them would make use of more; observer and percentile: how calibration turns
    samples into ranges.
    """

    weights: Literal["int8", "int4", "int4-overlapped", "ternary"] = "int8"
    activations: Literal["int8", "int16"] = "int8"
    profile: Literal["accurate", "fast", "compact"] = "accurate"
    accumulate: Literal["auto", "joint", "split"] = "auto"
    sum_width: Literal["int32", "int16"] = "int32"
    inputs: Literal["auto", "int8"] = "auto"
    observer: ObserverKind = "minmax"
    percentile: float = 99.99

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for f in fields(self):
            allowed = get_args(hints[f.name])
            if allowed and getattr(self, f.name) not in allowed:
                raise Rnn2cError(
                    f"{f.name}={getattr(self, f.name)!r}: choose one of {', '.join(allowed)}"
                )
        if self.profile == "compact" and self.activations == "int16":
            raise Rnn2cError(
                "profile compact keeps activations in int8; for int16 use profile accurate"
            )
        if self.profile == "compact" and self.accumulate == "split":
            raise Rnn2cError("profile compact sums jointly; for accumulate=split use accurate")
        unfit = self.profile == "compact" or self.narrow_sums
        if self.overlapped and (unfit or self.activations == "int16"):
            raise Rnn2cError(
                "weights int4-overlapped need sums of 32 bits: take activations int8 and profile"
                " accurate or fast, or weights int4"
            )
        if self.narrow_sums and self.activations == "int16":
            raise Rnn2cError("sum_width int16 has no room for activations int16; take int8")

    @property
    def sums(self) -> Literal["joint", "split"]:
        """How x and h are summed, `auto` decided."""
        if self.accumulate == "auto":
            return "joint" if self.activations == "int8" else "split"
        return self.accumulate

    @property
    def weight_bits(self) -> int:
        return 4 if self.weights.startswith("int4") else 8

    @property
    def narrow_sums(self) -> bool:
        """Whether sums of recurrent layers are to fit 16 bits."""
        return self.sum_width == "int16"

    @property
    def overlapped(self) -> bool:
        """Whether weights of recurrent layers are rounded to the packing overlapped4."""
        return self.weights == "int4-overlapped"

    @property
    def ternary(self) -> bool:
        """Whether weights of recurrent layers have one magnitude in each row."""
        return self.weights == "ternary"

    @property
    def activation_bits(self) -> int:
        return int(self.activations.removeprefix("int"))
