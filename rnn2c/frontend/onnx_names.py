"""Readable layer names out of the names that exporters leave in an ONNX file.

Both PyTorch exporters keep the attribute path of a module: the older one in the node name
(`/rnn/LSTM_1`), the newer one in the node's metadata and in the names of parameters (`fc.weight`).
"""

from __future__ import annotations

import re
from collections.abc import Collection

import onnx

SCOPES = "pkg.torch.onnx.name_scopes"
PARAMETER = re.compile(r"(.+)\.(weight|bias)(_[a-z0-9_]+)?")


def stem(node: onnx.NodeProto, constants: Collection[str]) -> str:
    """The module path of a node, its own name where that was given by a person, or ""."""
    found = _from_scopes(node) or _from_parameters(node, constants) or _from_path(node.name)
    if found:
        return found
    generated = node.name.lower().startswith(("node_", node.op_type.lower()))
    return "" if generated or node.name.startswith("/") else node.name


def _from_scopes(node: onnx.NodeProto) -> str:
    """ "['', 'rnn', 'lstm']" -> "rnn": the last entry is the operation itself."""
    for entry in node.metadata_props:
        if entry.key == SCOPES:
            scopes = [s for s in re.findall(r"'([^']*)'", entry.value)[:-1] if s]
            return scopes[-1] if scopes else ""
    return ""


def _from_parameters(node: onnx.NodeProto, constants: Collection[str]) -> str:
    for name in node.input:
        match = PARAMETER.fullmatch(name) if name in constants and len(name) < 200 else None
        if match:
            return match.group(1)
    return ""


def _from_path(name: str) -> str:
    """ "/block/rnn/LSTM_1" -> "block.rnn"."""
    return ".".join(p for p in name.split("/")[:-1] if p) if name.startswith("/") else ""
