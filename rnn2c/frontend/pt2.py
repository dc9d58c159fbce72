"""A .pt2 file (torch.export.save) becomes a Model; torch runs only to compare, in a child process.

torch.export.load is never used: it unpickles parts of the file and evaluates its expressions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rnn2c.errors import Rnn2cError, quoted
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.part import Part
from rnn2c.frontend.pt2_archive import read_pt2
from rnn2c.frontend.pt2_graph import read_graph
from rnn2c.frontend.pytorch import import_graph
from rnn2c.frontend.pytorch_graph import ProgramImport
from rnn2c.frontend.values import plain
from rnn2c.ir.graph import Model


def load_pt2(
    path: Path,
    name: str | None = None,
    *,
    state: Mapping[str, str] | None = None,
    cross_check: bool = True,
) -> Model:
    """Import a .pt2 file; raises Rnn2cError naming the tensor, node or argument at fault.

    state: input -> the output that it gets at the next step.
    """
    found = import_pt2(path, name, state)
    if not cross_check:
        return found.imported.model
    from rnn2c.frontend.crosscheck import check_pt2

    return replace(found.imported.model, cross_check=check_pt2(found))


def import_pt2(
    path: Path, name: str | None = None, state: Mapping[str, str] | None = None
) -> ProgramImport:
    """Like load_pt2 without the cross-check; also returns the program."""
    where = quoted(path)
    graph = read_graph(read_pt2(path), where)
    builder = Builder(name or plain(path.stem) or "model")
    try:
        return ProgramImport(graph, import_graph(builder, graph, part=Part(state=state or {})))
    except Rnn2cError:
        raise
    except Exception as error:  # torch's types hold for modules, a file may say anything
        node = next(iter(getattr(error, "__notes__", ())), "the program")
        raise Rnn2cError(
            f"{where}: {node}: its arguments do not fit the operator ({type(error).__name__}); "
            "export the module again"
        ) from None
