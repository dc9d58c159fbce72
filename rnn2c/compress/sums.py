"""Rows of recurrent weights held small while they are trained, for sums of 16 bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

HALVINGS = 40
"""Of the interval in which the threshold of a projection is looked for."""


@torch.no_grad()
def bound_sums(module: nn.Module, bound: float, inputs_reach: float = 1.0) -> int:
    """Projects the weights of every LSTM, GRU and RNN in a module, in place, so that no sum of a
    gate exceeds `bound` for inputs within +-inputs_reach and states within +-1.  Returns how many
    rows were changed; call it after each step of the optimizer.

    Sums of 16 bits (`--sum-width int16`) reach 32767 steps, and the largest sum that a cell can
    have decides how large a step is.  A row is moved to the nearest one that keeps the bound, which
    makes its smallest weights zero; a bias takes at most half of the bound.  Works on layers of any
    number and direction; the layers above the first read states.

    ValueError: where bound or inputs_reach is not positive, or a layer has a projection, whose
    states have no bound.
    """
    if not (bound > 0 and inputs_reach > 0):
        raise ValueError(f"bound {bound} and inputs_reach {inputs_reach}: give positive numbers")
    changed = 0
    for layer in module.modules():
        if isinstance(layer, nn.RNNBase):
            if layer.proj_size:
                raise ValueError("an LSTM with proj_size has states of any size: no bound holds")
            changed += sum(
                _bounded(layer, f"l{k}{suffix}", bound, inputs_reach if k == 0 else 1.0)
                for k in range(layer.num_layers)
                for suffix in (("", "_reverse") if layer.bidirectional else ("",))
            )
    return changed


def _bounded(layer: nn.RNNBase, suffix: str, bound: float, reach: float) -> int:
    """One layer in one direction; for inputs within +-reach."""
    w_ih, w_hh = getattr(layer, f"weight_ih_{suffix}"), getattr(layer, f"weight_hh_{suffix}")
    biases = [getattr(layer, f"bias_{p}_{suffix}") for p in ("ih", "hh")] if layer.bias else []
    for bias in biases:
        bias.clamp_(-bound / 4, bound / 4)
    free = bound - sum((b.abs() for b in biases), torch.zeros(len(w_ih)))
    joint = len(w_ih) - (layer.hidden_size if layer.mode == "GRU" else 0)
    reaches = torch.cat([torch.full((w_ih.shape[1],), reach), torch.ones(w_hh.shape[1])])
    both, count = _projected(torch.cat([w_ih, w_hh], 1)[:joint], reaches, free[:joint])
    # r * (sum over h) is added to the sum over x of a GRU's candidate: both have the bound.
    columns = w_ih.shape[1]
    of_x, more = _projected(w_ih[joint:], reaches[:columns], free[joint:])
    of_h, most = _projected(w_hh[joint:], reaches[columns:], free[joint:])
    w_ih.copy_(torch.cat([both[:, :columns], of_x]))
    w_hh.copy_(torch.cat([both[:, columns:], of_h]))
    return count + more + most


def _projected(rows: Tensor, reaches: Tensor, free: Tensor) -> tuple[Tensor, int]:
    """The nearest rows whose magnitudes times `reaches` [columns] sum up to at most `free` [rows];
    how many were changed.
    """
    size = rows.abs()
    over = (size * reaches).sum(1) > free
    low = torch.zeros_like(free)
    high = (size / reaches).sum(1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        left = (size - middle[:, None] * reaches).clamp(min=0)
        above = (left * reaches).sum(1) > free
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    less = torch.sign(rows) * (size - high[:, None] * reaches).clamp(min=0)
    return torch.where(over[:, None], less, rows), int(over.sum())
