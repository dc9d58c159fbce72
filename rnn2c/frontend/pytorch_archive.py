"""What a `.pt` file claims to hold, read without executing anything in it and without torch.

A file that torch.save wrote is a zip archive: a pickle that describes tensors, and one member of
raw bytes per storage.  The pickle is read by an unpickler that knows nothing but how to note such
descriptions; whatever else it refers to is refused by name.  Every storage and every tensor must
fit the bytes that are there, for torch.load checks neither.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn2c.errors import Rnn2cError, UnsupportedError, quoted

MAX_BYTES = 256 * 2**20
MAX_PICKLE = 2**22
WIDTHS = {
    "FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2,
    "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
    "BoolStorage": 1,
}  # fmt: skip
HOW_TO_SAVE = "save the weights alone: torch.save(module.state_dict(), 'weights.pt')"
ENTRIES = ("state_dict", "model_state_dict")


@dataclass(frozen=True)
class Claim:
    """A tensor as the pickle describes it; `fits` if the storage holds every element once."""

    shape: tuple[int, ...]
    fits: bool


@dataclass(frozen=True)
class _Storage:
    elements: int


def check_archive(path: Path) -> str:
    """Raise Rnn2cError naming what is wrong unless the file holds plain weights and no more.

    Returns the entry of a checkpoint that holds the state_dict, "" if the file is one.
    """
    where = quoted(path)
    try:
        if not path.is_file():
            raise Rnn2cError(f"{where}: no such file, or not a regular one; give a .pt file")
        with zipfile.ZipFile(path) as archive:
            sizes = stored_members(archive, where, HOW_TO_SAVE)
            top = _pickle(archive, sizes, where)
    except Rnn2cError:
        raise
    except Exception:  # a damaged pickle or archive raises nearly anything
        raise Rnn2cError(
            f"{where}: not a file of torch.save, or a damaged one, or one older than torch 1.6; "
            f"{HOW_TO_SAVE}"
        ) from None
    return _check_entries(top, where)


def stored_members(archive: zipfile.ZipFile, where: str, advice: str) -> dict[str, int]:
    """Bytes of every member; raises Rnn2cError where one is compressed or two share a name."""
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        raise Rnn2cError(
            f"{where}: unpacks to a size of {total} bytes; at most {MAX_BYTES} are read"
        )
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise Rnn2cError(
                f"{where}: member {quoted(member.filename)} is compressed to unpack to a size of "
                f"{member.file_size} bytes; {advice}"
            )
    sizes = {member.filename: member.file_size for member in members}
    if len(sizes) != len(members):
        raise Rnn2cError(f"{where}: two members have the same name; {advice}")
    return sizes


def _pickle(archive: zipfile.ZipFile, sizes: Mapping[str, int], where: str) -> Any:
    names = [name for name in sizes if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(names) != 1 or sizes[names[0]] > MAX_PICKLE:
        raise Rnn2cError(f"{where}: no file of weights of torch.save; {HOW_TO_SAVE}")
    folder = names[0].removesuffix("data.pkl")
    return _Reader(archive.read(names[0]), folder, sizes, where).load()


class _Reader(pickle.Unpickler):
    """Notes what tensors are described; everything it can call is defined in this file."""

    def __init__(self, data: bytes, folder: str, sizes: Mapping[str, int], where: str) -> None:
        super().__init__(io.BytesIO(data))
        self.folder, self.sizes, self.where = folder, sizes, where

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in WIDTHS:
            return name
        known = {"_rebuild_tensor_v2": _tensor, "_rebuild_parameter": _parameter}
        if module == "torch._utils" and name in known:
            return known[name]
        what = quoted(f"{module}.{name}")
        whole = "it holds a whole module; " if module.startswith("torch.nn") else ""
        raise UnsupportedError(
            f"{self.where}: {whole}{what} in it is unsafe to load, only weights (a state_dict) are "
            f"read; {HOW_TO_SAVE}"
        )

    def persistent_load(self, pid: Any) -> Any:
        kind, storage, key, _, elements = pid
        member = f"{self.folder}data/{key}"
        held = self.sizes.get(member, -1)
        if kind != "storage" or not isinstance(elements, int) or elements < 0:
            raise ValueError("not a storage")
        if held != elements * WIDTHS[storage]:
            raise Rnn2cError(
                f"{self.where}: storage {quoted(key)} claims a size of "
                f"{elements * WIDTHS[storage]} bytes, the file holds {max(held, 0)}; {HOW_TO_SAVE}"
            )
        return _Storage(elements)


def _tensor(storage: _Storage, offset: int, shape: Any, stride: Any, *_: Any) -> Claim:
    numbers = (offset, *shape, *stride)
    if len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("not a tensor")
    reach = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1
    count = math.prod(shape)
    return Claim(tuple(shape), count == 0 or max(reach, count) <= storage.elements)


def _parameter(claim: Claim, *_: Any) -> Claim:
    return claim


def _check_entries(top: Any, where: str) -> str:
    entry = next((e for e in ENTRIES if isinstance(top, dict) and e in top), "")
    weights = top[entry] if entry else top
    if not isinstance(weights, dict) or not weights:
        raise Rnn2cError(f"{where}: holds no state_dict; {HOW_TO_SAVE}")
    for name, claim in weights.items():
        if not isinstance(name, str) or not isinstance(claim, Claim):
            raise Rnn2cError(f"{where}: entry {quoted(name)} is no tensor; {HOW_TO_SAVE}")
        if not claim.fits:
            raise Rnn2cError(
                f"{where}: tensor {quoted(name)} of shape {list(claim.shape)} needs more elements "
                f"than the file has; save contiguous weights"
            )
    return entry
