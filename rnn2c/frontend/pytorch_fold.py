"""What an exported module computes of its own parameters, computed once: weight norms, spectral
norms and other parametrizations, masks of pruning, zeros, ones, ranges.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from rnn2c.frontend.collector import MAX_FOLDED

if TYPE_CHECKING:
    import torch


class Folder:
    """Runs the nodes that depend on constants alone, in order."""

    def __init__(self, constants: dict[str, torch.Tensor]) -> None:
        self._known: dict[str, Any] = dict(constants)

    def fold(self, node: torch.fx.Node) -> Any:
        """The result of the node as torch gives it, or None where it cannot be folded."""
        import torch

        if not _is_pure(node) or not all(n.name in self._known for n in node.all_input_nodes):
            return None

        def value(item: torch.fx.Node) -> Any:
            return self._known[item.name]

        arguments = torch.fx.node.map_arg(node.args, value)
        keywords = torch.fx.node.map_arg(node.kwargs, value)
        with torch.no_grad():
            result = node.target(*arguments, **keywords)  # type: ignore[operator]
        if not isinstance(result, (torch.Tensor, tuple, list)):
            return None
        self._known[node.name] = result
        return result


def _is_pure(node: torch.fx.Node) -> bool:
    """No random numbers, nothing changed in place, no quantization, a result of bounded size."""
    import torch

    target: Any = node.target
    if target is operator.getitem:
        return True
    if not isinstance(target, torch._ops.OpOverload) or target.namespace != "aten":
        return False
    random = torch.Tag.nondeterministic_seeded in target.tags
    if random or target._schema.is_mutable or "quant" in target._schema.name:
        return False
    shown = node.meta.get("val")
    tensors = shown if isinstance(shown, (tuple, list)) else [shown]
    counts = [t.numel() for t in tensors if isinstance(t, torch.Tensor)]
    return all(isinstance(n, int) and n <= MAX_FOLDED for n in counts)
