"""A `.pt` file of weights together with the Python file that the user names to make its module.

The pickle is checked by pytorch_archive and then loaded with weights_only=True, never in any other
way.  The only code that runs is the file given as `--module`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn2c.errors import Rnn2cError, UnsupportedError, quoted
from rnn2c.frontend.pytorch_archive import check_archive
from rnn2c.ir.graph import Model

PICKLES = (".pt", ".pth", ".pkl", ".ckpt", ".bin")
USER_MODULE = "rnn2c_user_module"


def load_weights(
    path: Path,
    factory: str | None,
    example: Any,
    name: str | None,
    *,
    state: Mapping[str, str],
    cross_check: bool,
) -> Model:
    """Import the module that `factory` (FILE.py:FUNCTION) makes, with the weights of the file.

    factory() returns the module, or (module, example input); example: used before that one.
    Raises Rnn2cError naming the file and what is wrong with it.
    """
    entry = check_archive(path)
    if factory is None:
        raise UnsupportedError(
            f"{quoted(path)}: holds weights without their module; name the Python function that "
            "makes it with --module file.py:factory, or export the model to ONNX"
        )
    made = _make(factory)
    module, own = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    example = own if example is None else example
    if example is None:
        raise Rnn2cError(
            f"--module {factory}: give --example-shape 1,STEPS,FEATURES, or return a tuple of "
            "module and example input"
        )
    _fill(module, path, entry, factory)
    from rnn2c.frontend.pytorch import load_module

    return load_module(module, example, name, state=state, cross_check=cross_check)


def zeros(shapes: tuple[tuple[int, ...], ...]) -> Any:
    """Example inputs of these shapes, for load_module."""
    import torch

    return tuple(torch.zeros(shape) for shape in shapes)


def _make(factory: str) -> Any:
    file, _, function = factory.rpartition(":")
    path = Path(file)
    if path.suffix != ".py" or not path.is_file() or not function.isidentifier():
        raise Rnn2cError(
            f"--module {quoted(factory)}: expected FILE.py:FUNCTION with a file that exists"
        )
    code = types.ModuleType(USER_MODULE)
    code.__file__ = str(path)
    sys.modules[USER_MODULE] = code
    sys.path.append(str(path.resolve().parent))  # for what it imports from beside it
    try:
        # Not through importlib, which would write a cache beside the user's file.
        exec(compile(path.read_bytes(), str(path), "exec"), vars(code))
        return getattr(code, function)()
    except Exception as error:  # the user's own code may raise anything
        text = " ".join(str(error).split())[:200]
        raise Rnn2cError(
            f"--module {quoted(factory)}: {type(error).__name__}: {text}; it must return a module"
        ) from None
    finally:
        sys.path.pop()


def _fill(module: Any, path: Path, entry: str, factory: str) -> None:
    import torch

    if not isinstance(module, torch.nn.Module):
        raise Rnn2cError(
            f"--module {quoted(factory)}: returned a {type(module).__name__}, expected a module"
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(weights[entry] if entry else weights)
    except Exception as error:  # torch names the keys and shapes that do not match
        text = " ".join(str(error).split())[:300]
        raise Rnn2cError(
            f"{quoted(path)}: does not fit the module of {quoted(factory)}: {text}"
        ) from None
