"""Calibration and test data: sequences by input name, read from an `.npz` file without pickles.

One array per model input, `[N, T, n]` (per step) or `[N, n]` (per sequence); or the ragged form
`NAME` [sum of T, n] with `NAME_lengths` [N]; optionally `y` [N] with class labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError, quoted
from rnn2c.ir.graph import FloatArray, Input, Model
from rnn2c.ir.names import identifier
from rnn2c.ir.tokens import checked_tokens, token_columns
from rnn2c.npz import read_npz

Sequence_ = Mapping[str, FloatArray]


@dataclass(frozen=True)
class SequenceSet:
    """N sequences: each a mapping of input name to [T, n] or [n], and labels or None."""

    sequences: tuple[Sequence_, ...]
    labels: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.sequences)


def read_sequences(path: Path, model: Model) -> SequenceSet:
    """Read an .npz file for this model; raises Rnn2cError naming the file and the array."""
    return from_arrays(read_npz(path), model, str(path))


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], model: Model, where: str) -> SequenceSet:
    """Check and split arrays into sequences; `where` begins every error.

    An array carries the name of its input, or that name as it reads in C.
    """
    arrays = _by_input_names(arrays, model)
    columns = {i.name: _split(arrays, i, where) for i in model.inputs if _present(arrays, i, where)}
    _only_known(arrays, model, where)
    counts = {name: len(parts) for name, parts in columns.items()}
    if len(set(counts.values())) != 1:
        raise Rnn2cError(f"{where}: inputs have different numbers of sequences: {counts}")
    count = next(iter(counts.values()))
    if count == 0:
        raise Rnn2cError(f"{where}: holds no sequence; give at least one")
    sequences = tuple({name: parts[k] for name, parts in columns.items()} for k in range(count))
    for k, sequence in enumerate(sequences):
        lengths = {len(sequence[i.name]) for i in model.inputs if i.rate == "step"}
        if len(lengths) > 1:
            raise Rnn2cError(
                f"{where}: sequence {k}: inputs have different lengths {sorted(lengths)}"
            )
    return SequenceSet(sequences, _labels(arrays, model, count, where))


def as_sequence_set(
    data: SequenceSet | Mapping[str, NDArray[np.generic]] | Sequence[Sequence_] | Path | str,
    model: Model,
) -> SequenceSet:
    """Accept what the Python API accepts: a file, a mapping of arrays, a list of sequences."""
    if isinstance(data, SequenceSet):
        return data
    if isinstance(data, (str, Path)):
        return read_sequences(Path(data), model)
    if isinstance(data, Mapping):
        return from_arrays(data, model, "calibration data")
    ragged: dict[str, NDArray[np.generic]] = {}
    for i in model.inputs:
        parts = [np.asarray(s[i.name], np.float64) for s in data if i.name in s]
        if not parts:
            continue
        ragged[i.name] = np.concatenate(parts) if i.rate == "step" else np.stack(parts)
        if i.rate == "step":
            ragged[f"{i.name}_lengths"] = np.array([len(p) for p in parts])
    return from_arrays(ragged, model, "calibration data")


def _by_input_names(
    arrays: Mapping[str, NDArray[np.generic]], model: Model
) -> dict[str, NDArray[np.generic]]:
    """The arrays under the names of the inputs, which an .npz member cannot always carry."""
    names = [i.name for i in model.inputs]
    in_c = [identifier(name) for name in names]
    found = dict(arrays)
    for name, short in zip(names, in_c, strict=True):
        if name in found or short in names or in_c.count(short) > 1:
            continue
        for ending in ("", "_lengths"):
            if short + ending in found:
                found[name + ending] = found.pop(short + ending)
    return found


def _present(arrays: Mapping[str, NDArray[np.generic]], i: Input, where: str) -> bool:
    if i.name in arrays:
        return True
    if i.rate == "sequence":
        return False
    have = ", ".join(quoted(name) for name in sorted(arrays)[:8]) or "nothing"
    raise Rnn2cError(f"{where}: no array {quoted(i.name)} [N, T, {i.size}]; the file has {have}")


def _only_known(arrays: Mapping[str, NDArray[np.generic]], model: Model, where: str) -> None:
    known = {"y"} | {i.name for i in model.inputs} | {f"{i.name}_lengths" for i in model.inputs}
    for name in arrays:
        if name not in known:
            names = ", ".join(quoted(i.name) for i in model.inputs)
            raise Rnn2cError(
                f"{where}: array {quoted(name)} is no input of the model (inputs: {names})"
            )


def _split(arrays: Mapping[str, NDArray[np.generic]], i: Input, where: str) -> list[FloatArray]:
    array = _numbers(arrays[i.name], f"{where}: array {quoted(i.name)}")
    lengths = arrays.get(f"{i.name}_lengths")
    if i.tokens:
        columns = token_columns(array, batched=lengths is None)
        array = checked_tokens(columns, i.tokens, f"{where}: array {quoted(i.name)}")
    if i.rate == "sequence":
        _shape(array, ("N", i.size), i.name, where)
        return list(array)
    if lengths is None:
        _shape(array, ("N", "T", i.size), i.name, where)
        if array.shape[1] == 0:
            raise Rnn2cError(f"{where}: array {quoted(i.name)} has sequences of 0 steps")
        return list(array)
    _shape(array, ("sum of T", i.size), i.name, where)
    if not _are_lengths(lengths, len(array)):
        raise Rnn2cError(
            f"{where}: {quoted(i.name + '_lengths')} must be positive integers [N] and add up to"
            f" {len(array)} steps"
        )
    whole = lengths.astype(np.int64)
    return np.split(array, np.cumsum(whole)[:-1])


def _are_lengths(lengths: NDArray[np.generic], steps: int) -> bool:
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        return False
    whole = lengths.astype(object)
    return bool(np.all(whole >= 1)) and int(whole.sum()) == steps


def _shape(array: FloatArray, wanted: tuple[str | int, ...], name: str, where: str) -> None:
    fits = array.ndim == len(wanted) and array.shape[-1] == wanted[-1]
    if not fits:
        text = ", ".join(map(str, wanted))
        raise Rnn2cError(
            f"{where}: array {quoted(name)} has shape {list(array.shape)}, expected [{text}]"
        )


def _numbers(array: NDArray[np.generic], what: str) -> FloatArray:
    if array.dtype.kind not in "fiu":
        raise Rnn2cError(f"{what} has type {array.dtype}, expected numbers")
    real = array.astype(np.float64)
    if not np.all(np.isfinite(real)):
        index = [int(k) for k in np.argwhere(~np.isfinite(real))[0]]
        raise Rnn2cError(f"{what}{index} is {real[tuple(index)]}; calibration needs finite numbers")
    return real


def _labels(
    arrays: Mapping[str, NDArray[np.generic]], model: Model, count: int, where: str
) -> NDArray[np.int64] | None:
    if "y" not in arrays or any(i.name == "y" for i in model.inputs):
        return None
    labels = np.asarray(arrays["y"])
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise Rnn2cError(
            f"{where}: labels 'y' have shape {list(labels.shape)} and type {labels.dtype},"
            f" expected [{count}] integers"
        )
    return labels.astype(np.int64)
