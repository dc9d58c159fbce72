"""Saves modules as .pt2 files, and compares what is read back with the module itself."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rnn2c.frontend import load
from rnn2c.ir.graph import Model

PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


def saved(
    module: nn.Module, arguments: tuple[Any, ...], path: Path, dynamic: Any = None, **keywords: Any
) -> Path:
    """torch.export.save of the module in eval mode; dynamic: the dynamic_shapes of torch.export."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the views that an RNN keeps
        program = torch.export.export(module.eval(), arguments, keywords, dynamic_shapes=dynamic)
        torch.export.save(program, path)
    return path


def members(path: Path) -> dict[str, bytes]:
    """The archive by name inside its one folder."""
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def archived(path: Path, held: dict[str, bytes], **options: int) -> Path:
    """The inverse of members."""
    with zipfile.ZipFile(path, "w", **options) as archive:  # type: ignore[arg-type]
        for name, data in held.items():
            archive.writestr(f"{path.stem}/{name}", data)
    return path


def edited(path: Path, change: Callable[[Any], object], member: str = PROGRAM) -> Path:
    """The same file after `change` of one member's JSON."""
    held = members(path)
    found = json.loads(held[member])
    change(found)
    return archived(path, {**held, member: json.dumps(found).encode()})


def nodes(program: Any, target: str) -> list[Any]:
    """The calls of torch.ops.aten.TARGET."""
    every = program["graph_module"]["graph"]["nodes"]
    return [node for node in every if node["target"] == f"torch.ops.aten.{target}"]


def argument(node: Any, name: str) -> Any:
    """The tagged union of one argument."""
    return next(given["arg"] for given in node["inputs"] if given["name"] == name)


def assert_same(path: Path, module: nn.Module, x: torch.Tensor) -> Model:
    """The file, run on x [1, T, n] or [T, 1, n], gives what the module gives, to 1e-5."""
    model = load(path, cross_check=False)
    (name,) = [i.name for i in model.inputs]
    got = model.run({name: x.numpy().reshape(-1, x.shape[-1])})
    with torch.no_grad():
        wanted = torch.utils._pytree.tree_leaves(module(x))
    flat = np.concatenate([v.ravel() for v in got.values()])
    expected = np.concatenate([t.numpy().ravel() for t in wanted])
    np.testing.assert_allclose(flat, expected, rtol=0, atol=1e-5)
    return model
