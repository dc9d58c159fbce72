"""The members of a .pt2 file (torch.export.save), read without torch.

A zip of stored members: the program and two lists of tensors as JSON, every tensor as raw bytes.
Pickles in it (sample inputs, custom objects) are never opened, and no member is ever unpacked to
a path.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.files import read_bytes
from rnn2c.frontend.json_text import Json, parse_json
from rnn2c.frontend.pytorch_archive import stored_members
from rnn2c.frontend.values import Constant, check_values, quoted

MAX_FILE_BYTES = 128 * 2**20
MAX_JSON_BYTES = 32 * 2**20
MAX_MEMBERS = 10_000
MAX_ELEMENTS = 2**26
MAX_RANK = 8
SCHEMA_MAJOR = 8
SAVE_AGAIN = "save it again: torch.export.save(program, 'model.pt2')"
# ScalarType of torch's serialization schema -> name in torch.
TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 12: "bool", 13: "bfloat16",
}  # fmt: skip
STORED = {"uint8", "int8", "int16", "int32", "int64", "float32", "bool"}


@dataclass(frozen=True, eq=False)
class Pt2File:
    """program: graph_module, schema_version, ... of torch's schema; tensors by name."""

    program: Json
    weights: Mapping[str, Constant]
    constants: Mapping[str, Constant]


def read_pt2(path: Path) -> Pt2File:
    """Raises Rnn2cError naming the member or tensor at fault."""
    data = read_bytes(path, MAX_FILE_BYTES, "a .pt2 file")
    try:
        if data.count(b"PK\x01\x02") > MAX_MEMBERS:
            raise UnsupportedError(f"{quoted(path)}: more than {MAX_MEMBERS} members")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _Reader(path, archive).read()
    except Rnn2cError:
        raise
    except Exception as error:  # a damaged archive raises nearly anything
        raise Rnn2cError(
            f"{quoted(path)}: not a file of torch.export.save, or a damaged one "
            f"({type(error).__name__}); {SAVE_AGAIN}"
        ) from None


class _Reader:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive, self.where = path, archive, quoted(path)
        self.sizes = stored_members(archive, self.where, SAVE_AGAIN)
        self.elements = 0
        self._read: dict[str, bytes] = {}

    def read(self) -> Pt2File:
        root, model = self._model()
        if self._bytes(f"{root}/byteorder") != b"little":
            raise UnsupportedError(f"{self.where}: not little-endian; save it on another machine")
        program = self._json(f"{root}/models/{model}.json")
        self._check_version(program)
        weights, constants = (
            self._tensors(f"{root}/data/{kind}/", model, kind) for kind in ("weights", "constants")
        )
        return Pt2File(program, weights, constants)

    def _model(self) -> tuple[str, str]:
        """The folder that holds everything, and the name of the one program in it."""
        if any("/aotinductor/" in name for name in self.sizes):
            raise UnsupportedError(
                f"{self.where}: holds code compiled by AOTInductor; give the program it was "
                "compiled from, saved with torch.export.save"
            )
        if "serialized_exported_program.json" in self.sizes:
            raise UnsupportedError(
                f"{self.where}: saved by a PyTorch before 2.8, with its weights as a pickle; load "
                "it there, export the module again with a newer one and save that"
            )
        parts = [name.split("/") for name in self.sizes if name.endswith(".json")]
        models = [(p[0], p[2].removesuffix(".json")) for p in parts if p[1:-1] == ["models"]]
        if len(models) != 1:
            raise UnsupportedError(
                f"{self.where}: holds {len(models)} programs, expected one; {SAVE_AGAIN}"
            )
        return models[0]

    def _bytes(self, name: str) -> bytes:
        if name not in self.sizes:
            raise Rnn2cError(f"{self.where}: has no member {quoted(name)}; {SAVE_AGAIN}")
        if name not in self._read:  # tensors may share their bytes
            self._read[name] = self.archive.read(name)
        return self._read[name]

    def _json(self, name: str) -> Json:
        if self.sizes.get(name, 0) > MAX_JSON_BYTES:
            raise UnsupportedError(
                f"{self.where}: member {quoted(name)} has {self.sizes[name]} bytes; at most "
                f"{MAX_JSON_BYTES} are read"
            )
        return parse_json(self._bytes(name).decode(), self.path)

    def _check_version(self, program: Json) -> None:
        version = program.get("schema_version")
        major = version.get("major") if isinstance(version, dict) else None
        if major != SCHEMA_MAJOR:
            raise UnsupportedError(
                f"{self.where}: version {quoted(major)} of PyTorch's schema for programs; version "
                f"{SCHEMA_MAJOR} is read: export and save it with PyTorch 2.13"
            )

    def _tensors(self, folder: str, model: str, kind: str) -> dict[str, Constant]:
        if f"{folder}{model}.pt" in self.sizes:
            raise UnsupportedError(
                f"{self.where}: its tensors are a pickle, as older versions of PyTorch saved them; "
                "export the module again with a newer one and save that"
            )
        listed = self._json(f"{folder}{model}_{kind}_config.json")["config"]
        found: dict[str, Constant] = {}
        for name, item in listed.items():
            try:
                found[name] = self._tensor(folder, name, item)
            except (AttributeError, KeyError, TypeError, ValueError):
                raise Rnn2cError(
                    f"{self.where}: tensor {quoted(name)} is described wrongly; {SAVE_AGAIN}"
                ) from None
        return found

    def _tensor(self, folder: str, name: str, item: Json) -> Constant:
        """One tensor, a read-only view of its bytes where they lie in order."""
        where = f"{self.where}: tensor {quoted(name)}"
        meta = item["tensor_meta"]
        if item["use_pickle"] is not False or meta is None:
            raise UnsupportedError(f"{where} is pickled; only plain tensors are read")
        kind = TYPES.get(meta["dtype"], f"number {meta['dtype']}")
        if kind not in STORED:
            raise UnsupportedError(
                f"{where} has type {kind}; convert the module with .float() before the export"
            )
        shape, strides = [_counts(meta[key]) for key in ("sizes", "strides")]
        offset = _count(meta["storage_offset"])
        flat = np.frombuffer(self._bytes(folder + item["path_name"]), np.dtype(kind))
        needed = math.prod(shape)
        self.elements += needed
        reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1
        if len(shape) > MAX_RANK or self.elements > MAX_ELEMENTS:
            raise UnsupportedError(f"{where} of shape {shape[:MAX_RANK]} is too large")
        if needed and max(reach, needed) > flat.size:
            raise Rnn2cError(
                f"{where} of shape {shape}, strides {strides} needs {max(reach, needed)} elements, "
                f"the file holds {flat.size}; {SAVE_AGAIN}"
            )
        found: Constant = np.zeros(shape, kind)
        if needed:
            steps = [s * flat.itemsize for s in strides]
            found = np.lib.stride_tricks.as_strided(flat[offset:], shape, steps).copy()
        check_values(found, where)
        return found


def _count(size: Any) -> int:
    """A size of torch's schema; ValueError unless it is a plain number."""
    number = size["as_int"]
    if type(number) is not int or number < 0:
        raise ValueError("not a size")
    return number


def _counts(sizes: Any) -> tuple[int, ...]:
    return tuple(_count(size) for size in sizes)
