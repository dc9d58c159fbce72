"""Operators that change a tensor in place: relu_, add_, ...

What they compute is a new value that the changed tensor shows from then on.  A tensor that shares
its memory with another one is refused: the other one would change too.
"""

from __future__ import annotations

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.pytorch_call import Result
from rnn2c.frontend.pytorch_graph import Node, Ref

VIEWS = frozenset(
    """alias chunk detach expand flatten mT movedim narrow permute reshape select slice split
    split_with_sizes squeeze swapaxes swapdims t tensor_split transpose unbind unsqueeze view
    """.split()
)
HARMLESS = frozenset({"detach_"})


def outside(name: str) -> str:
    """The name of the operator that does the same without changing anything."""
    changes = name.endswith("_") and not name.startswith("_")
    return name.removesuffix("_") if changes and name not in HARMLESS else name


class Views:
    """Which tensors share their memory; `note` every node after it was translated."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._base: dict[str, str] = {}

    def note(self, node: Node, results: dict[str, Result]) -> None:
        """Remember a view; show the result of a change under the changed tensor's name."""
        name = node.target.removeprefix("aten.").split(".")[0]
        source = node.arguments.get("self", node.arguments.get("input"))
        if not isinstance(source, Ref):
            return
        base = self._base.get(source.name, source.name)
        if name in VIEWS or (name == "getitem" and source.name in self._base):
            self._base[node.name] = base
        elif outside(name) != name:
            if source.name in self._base or source.name in self._base.values():
                raise UnsupportedError(
                    f"node '{node.name}' ({node.target}): changes a part or a view of a tensor in"
                    " place; write it without the underscore, or set inplace=False"
                )
            self._builder.forget(source.name)
            results[source.name] = results[node.name]
