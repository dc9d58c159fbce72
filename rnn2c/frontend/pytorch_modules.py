"""Quantized modules of torch.ao in the words of torch.export, which cannot record them.

Dynamic LSTM, GRU and Linear hold packed integers: they become the plain operators on dequantized
constants.  Static ones (Quantize, Linear, DeQuantize) round what they read and write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnn2c.errors import UnsupportedError

if TYPE_CHECKING:
    import torch

QUANTIZED = "torch.ao.nn."
DYNAMIC_BITS = 7
"""torch leaves one bit unused (reduce_range), so that its 16-bit sums cannot overflow."""


def is_quantized(module: Any) -> bool:
    """Whether a module holds quantized modules of torch.ao, found without importing them."""
    return any(type(m).__module__.startswith(QUANTIZED) for m in module.modules())


def plain(module: torch.nn.Module) -> tuple[torch.nn.Module, dict[str, int]]:
    """The module with every quantized one replaced; and bits of dynamic activations by path."""
    dynamic: dict[str, int] = {}
    made = _replaced(module, "", dynamic)
    return made, dynamic


def _replaced(module: torch.nn.Module, path: str, dynamic: dict[str, int]) -> torch.nn.Module:
    if type(module).__module__.startswith(QUANTIZED):
        made = _replacement(module, path)
        if ".dynamic." in type(module).__module__:
            dynamic[path] = DYNAMIC_BITS
        return made
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, f"{path}.{name}".lstrip("."), dynamic))
    return module


def _replacement(module: Any, path: str) -> torch.nn.Module:
    import torch
    from torch.ao.quantization.fx import _decomposed  # noqa: F401 - registers the operators

    kind = type(module).__name__
    where = f"module '{path}' ({type(module).__module__}.{kind})"
    words = _words(torch)
    if ".dynamic." in type(module).__module__:
        if kind in ("LSTM", "GRU"):
            return words["Cells"](module, kind, where)  # type: ignore[no-any-return]
        if kind == "Linear":
            return words["Linear"](module.weight(), module.bias(), where)  # type: ignore[no-any-return]
    elif kind == "Quantize":
        return words["Round"](module.scale, module.zero_point, module.dtype)  # type: ignore[no-any-return]
    elif kind == "DeQuantize":
        return torch.nn.Identity()
    elif kind in ("Linear", "LinearReLU"):
        linear = words["Linear"](module.weight(), module.bias(), where)
        after = [torch.nn.ReLU()] if kind == "LinearReLU" else []
        last = words["Round"](module.scale, module.zero_point, torch.quint8)
        return torch.nn.Sequential(linear, *after, last)
    raise UnsupportedError(
        f"{where}: this quantized module is not supported; supported are dynamic LSTM, GRU, Linear"
        " and static Quantize, Linear, LinearReLU, DeQuantize; give the float module instead"
    )


def _words(torch: Any) -> dict[str, Any]:
    """The replacements; classes of torch cannot be defined before torch is imported."""
    integers = _integers(torch)
    return {
        "Cells": _cells(torch, integers),
        "Linear": _linear(torch, integers),
        "Round": _round(torch),
    }


def _integers(torch: Any) -> Any:
    operators = torch.ops.quantized_decomposed

    class Integers(torch.nn.Module):  # type: ignore[misc]
        """A quantized tensor as a constant of the exported graph."""

        def __init__(self, tensor: Any, where: str) -> None:
            super().__init__()
            if tensor.dtype != torch.qint8:
                raise UnsupportedError(f"{where}: weights of {tensor.dtype}; use dtype=torch.qint8")
            self.channels = tensor.qscheme() != torch.per_tensor_affine
            self.axis = tensor.q_per_channel_axis() if self.channels else 0
            self.register_buffer("codes", tensor.int_repr())
            if self.channels:
                self.register_buffer("scales", tensor.q_per_channel_scales().float())
                self.register_buffer("zeros", tensor.q_per_channel_zero_points())
            else:
                self.scale, self.zero = tensor.q_scale(), tensor.q_zero_point()

        def forward(self) -> Any:
            span = (-128, 127, torch.int8)
            if self.channels:
                rows = (self.scales, self.zeros, self.axis)
                return operators.dequantize_per_channel(self.codes, *rows, *span)
            return operators.dequantize_per_tensor(self.codes, self.scale, self.zero, *span)

    return Integers


def _linear(torch: Any, integers: Any) -> Any:
    class Linear(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, weight: Any, bias: Any, where: str) -> None:
            super().__init__()
            self.weight = integers(weight, where)
            self.register_buffer("bias", None if bias is None else bias.detach())

        def forward(self, x: Any) -> Any:
            return torch.nn.functional.linear(x, self.weight(), self.bias)

    return Linear


def _cells(torch: Any, integers: Any) -> Any:
    class Cells(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, module: Any, kind: str, where: str) -> None:
            super().__init__()
            self.lstm, self.count = kind == "LSTM", module.num_layers
            self.units, self.batch_first = module.hidden_size, module.batch_first
            self.bidirectional = module.bidirectional
            weight, bias = module.get_weight(), module.get_bias()
            names = list(zip(list(weight)[::2], list(weight)[1::2], strict=True))
            self.weights = torch.nn.ModuleList(integers(weight[n], where) for p in names for n in p)
            for k, name in enumerate(bias):
                self.register_buffer(f"bias{k}", bias[name].detach())
            self.biases = len(bias)

        def forward(self, x: Any, hx: Any = None) -> Any:
            matrices = [weight() for weight in self.weights]
            biases = [getattr(self, f"bias{k}") for k in range(self.biases)]
            params = []
            for k in range(0, len(matrices), 2):
                params += [*matrices[k : k + 2], *biases[k : k + 2]]
            if hx is None:
                rows = self.count * (2 if self.bidirectional else 1)
                batch = x.shape[0 if self.batch_first else 1]
                hx = torch.zeros(rows, batch, self.units)
                hx = (hx, hx) if self.lstm else hx
            rest = (True, self.count, 0.0, False, self.bidirectional, self.batch_first)
            run = torch.lstm if self.lstm else torch.gru
            y, *states = run(x, hx, params, *rest)
            return y, (tuple(states) if self.lstm else states[0])

    return Cells


def _round(torch: Any) -> Any:
    operators = torch.ops.quantized_decomposed

    class Round(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, scale: Any, zero: Any, dtype: Any) -> None:
            super().__init__()
            self.scale, self.zero = float(scale), int(zero)
            low, kind = (0, torch.uint8) if dtype == torch.quint8 else (-128, torch.int8)
            self.span = (low, low + 255, kind)

        def forward(self, x: Any) -> Any:
            codes = operators.quantize_per_tensor(x, self.scale, self.zero, *self.span)
            return operators.dequantize_per_tensor(codes, self.scale, self.zero, *self.span)

    return Round
