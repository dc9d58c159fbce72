"""Finds the weights of a layer: by position in a .keras file, by name in an .h5 file.

Every weight is checked for values that are finite; a weight of a layer that nobody asked for is
refused, so none is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.keras_file import KerasFile
from rnn2c.frontend.keras_graph import LayerSpec
from rnn2c.frontend.values import MAX_WEIGHT, quoted
from rnn2c.ir.graph import FloatArray

ROOTS = ("layers", "_layer_checkpoint_dependencies")


def weights_of(
    file: KerasFile, spec: LayerSpec, inner: str, roles: Sequence[str], beside: Sequence[str] = ()
) -> list[FloatArray]:
    """The weights of a layer as float64, one per role.

    inner: what a .keras file inserts below the layer ("cell", "layer" or ""); roles: the names that
    Keras gives the weights, in its order; beside: what follows them and is not read.  Raises
    Rnn2cError for missing, additional or non-finite weights.
    """
    known = (*roles, *beside)
    paths = _by_position(file, spec, inner, known) if file.zipped else _by_name(file, spec, inner)
    for role in paths:
        if role not in known:
            raise UnsupportedError(
                f"{spec.where}: has a weight {quoted(role)} that its settings do not explain; "
                "export the model to ONNX"
            )
    return [_checked(file, spec, role, paths.get(role, "")) for role in roles]


def _by_position(
    file: KerasFile, spec: LayerSpec, inner: str, roles: Sequence[str]
) -> dict[str, str]:
    """Role -> path in the HDF5 file; a weight beyond the roles stands under its own path."""
    paths: dict[str, str] = {}
    for root in ROOTS:
        folder = f"{root}/{spec.folder}"
        shown = file.names.get(f"{folder}/vars@name")
        if shown not in (None, [spec.name]):
            raise Rnn2cError(
                f"{spec.where}: its place in the file, {quoted(folder)}, holds {quoted(shown)}; "
                "save the model again"
            )
        base = "/".join(part for part in (folder, inner, "vars") if part)
        for path in (*file.weights, *file.skipped):
            head, _, number = path.rpartition("/")
            if head == base:
                known = number.isascii() and number.isdigit() and int(number) < len(roles)
                paths[roles[int(number)] if known else path] = path
    return paths


def _by_name(file: KerasFile, spec: LayerSpec, inner: str) -> dict[str, str]:
    """ "lstm/lstm_cell/kernel:0" has the role "kernel"; of a Bidirectional the layer that runs
    forward is "both/forward_lstm/...", the other one has a name of its own.
    """
    direction = inner.partition("_layer")[0] if "_layer/" in inner else ""
    group = f"model_weights/{spec.name}"
    paths: dict[str, str] = {}
    for name in file.names.get(f"{group}@weight_names", []):
        is_forward = any(p.startswith("forward_") for p in name.split("/")[1:])
        if direction and is_forward != (direction == "forward"):
            continue
        role = name.rpartition("/")[2].partition(":")[0]
        if role in paths:
            raise UnsupportedError(f"{spec.where}: has two weights called {quoted(role)}")
        paths[role] = f"{group}/{name}"
    return paths


def _checked(file: KerasFile, spec: LayerSpec, role: str, path: str) -> FloatArray:
    if path in file.skipped:
        raise UnsupportedError(
            f"{spec.where}: {role} has type {quoted(file.skipped[path])}; train in float32"
        )
    if path not in file.weights:
        raise Rnn2cError(
            f"{spec.where}: the file has no {role} for it; a layer that is part of two others is "
            "stored once, give each its own, or save the model again"
        )
    values = file.weights[path].astype(np.float64)
    good = np.abs(values) <= MAX_WEIGHT
    if not np.all(good):
        index = tuple(int(k) for k in np.argwhere(~good)[0])
        raise Rnn2cError(
            f"{spec.where}: {role}{list(index)} is {values[index]}; weights must be finite and at "
            f"most {MAX_WEIGHT:g}"
        )
    return values
