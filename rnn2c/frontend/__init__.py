"""Front ends: a trained model, in a file or in memory, becomes a float Model.

`load` is the one entry.  torch and onnxruntime are imported only for a module or a cross-check.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnn2c.errors import Rnn2cError, UnsupportedError, one_line, quoted
from rnn2c.frontend.part import WHOLE, Part, make_part, parse_part
from rnn2c.frontend.pytorch_file import PICKLES, load_weights, zeros
from rnn2c.ir.graph import Model

EXPORTED = ".pt2"
KERAS = (".keras", ".h5", ".hdf5")


def load(
    source: object,
    example_input: Any = None,
    *,
    name: str | None = None,
    cross_check: bool = True,
    module: str | None = None,
    part: Part = WHOLE,
) -> Model:
    """Import an .onnx, .pt2, .keras or .h5 file (a path) or a torch.nn.Module (with an example
    input of batch 1).

    A .pt file of weights needs module, FILE.py:FUNCTION, which is executed; see pytorch_file.
    part: of an ONNX graph, and what feeds back; of what PyTorch made the latter only.
    name: of the Model.  cross_check: compare with onnxruntime or torch (Keras is never run).
    Raises Rnn2cError, one line that names the file, node or layer and what to do instead.
    """
    try:
        if _is_module(source):
            from rnn2c.frontend.pytorch import load_module

            _refuse_part(replace(part, state={}), "a module")
            return load_module(
                source, example_input, name, state=part.state, cross_check=cross_check
            )
        return _load_path(source, example_input, name, cross_check, module, part)
    except Rnn2cError as error:
        raise type(error)(one_line(str(error))) from error.__cause__


def _load_path(
    source: object,
    example: Any,
    name: str | None,
    cross_check: bool,
    module: str | None,
    part: Part,
) -> Model:
    if not isinstance(source, (str, os.PathLike)):
        raise Rnn2cError(
            f"cannot load a {type(source).__name__}; give the path of an .onnx, .pt2, .keras or "
            ".h5 file, or a module"
        )
    path = Path(source)
    if path.suffix.lower() != ".onnx":
        from_pytorch = path.suffix.lower() in (*PICKLES, EXPORTED)
        _refuse_part(replace(part, state={}) if from_pytorch else part, quoted(path))
    if path.suffix.lower() in PICKLES:
        return load_weights(path, module, example, name, state=part.state, cross_check=cross_check)
    if module is not None or example is not None:
        raise Rnn2cError(
            f"{quoted(path)}: --module and an example input go with a .pt file of weights only"
        )
    if path.suffix.lower() in KERAS:
        from rnn2c.frontend.keras import load_keras

        return load_keras(path, name)
    if path.suffix.lower() == EXPORTED:
        from rnn2c.frontend.pt2 import load_pt2

        return load_pt2(path, name, state=part.state, cross_check=cross_check)
    if path.suffix.lower() != ".onnx":
        raise UnsupportedError(
            f"{quoted(path)}: not an .onnx, .pt2, .keras or .h5 file; export the model to ONNX"
        )
    from rnn2c.frontend.onnx import load_onnx

    return load_onnx(path, name, part=part, cross_check=cross_check)


def _refuse_part(part: Part, what: str) -> None:
    if part:
        raise UnsupportedError(
            f"{what}: --from, --to and --shape go with an .onnx file, --state with that or one of"
            " PyTorch; export the model to ONNX"
        )


def _is_module(source: object) -> bool:
    """True for a torch.nn.Module, found without importing torch."""
    return any(
        c.__name__ == "Module" and c.__module__ == "torch.nn.modules.module"
        for c in type(source).__mro__
    )


__all__ = ["WHOLE", "Part", "load", "make_part", "parse_part", "zeros"]
