"""Reading an `.npz` file that nobody vouches for: plain arrays by name, never a Python object.

What every member claims to hold is compared with what it brings before an array is made.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import Rnn2cError, quoted

LARGEST_BYTES = 1 << 29
LARGEST_ELEMENTS = 1 << 25
LARGEST_HEADER = 10_000
UNREADABLE = (
    OSError, ValueError, EOFError, AttributeError, RuntimeError, MemoryError, OverflowError,
    SyntaxError, TypeError, IndexError, KeyError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy and zipfile raise for a file that is damaged, encrypted or no archive."""


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of the file; raises Rnn2cError naming the file and the array at fault."""
    if not path.exists():
        raise Rnn2cError(f"{path}: no such file")
    if not path.is_file():  # opening a named pipe would wait for ever
        raise Rnn2cError(f"{path}: not a regular file; give the path of an .npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except UNREADABLE:
        reason = "it holds Python objects" if _has_objects(path) else "it is not an .npz file"
        raise Rnn2cError(f"{path}: {reason}; write it with numpy.savez from plain arrays") from None


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if size > LARGEST_BYTES:
        raise Rnn2cError(
            f"{path}: unpacks to a size of {size} bytes; at most {LARGEST_BYTES} are read"
        )
    elements = 0
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name == member.filename:
            raise Rnn2cError(f"{path}: member {quoted(name)} is no array; use numpy.savez")
        with archive.open(member) as file:
            elements += _elements(file, member.file_size, f"{path}: array {quoted(name)}")
    if elements > LARGEST_ELEMENTS:
        raise Rnn2cError(
            f"{path}: a size of {elements} numbers; at most {LARGEST_ELEMENTS} are read,"
            " and some hundred sequences are plenty"
        )


def _elements(file: IO[bytes], size: int, where: str) -> int:
    """Number of elements of one array; raises Rnn2cError where it claims more than it brings."""
    shape, dtype = _header(file)
    count = math.prod(shape)
    if dtype.hasobject:
        raise Rnn2cError(f"{where}: it holds Python objects; write plain arrays of numbers")
    if min(shape, default=0) < 0 or count * dtype.itemsize > size:
        raise Rnn2cError(
            f"{where}: its shape {list(shape)} claims a size of {count * dtype.itemsize} bytes,"
            f" the file holds {size}; write it again with numpy.savez"
        )
    return count


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError("unknown version of the array format")
    shape, _, dtype = read(file, max_header_size=LARGEST_HEADER)
    return shape, dtype


def _has_objects(path: Path) -> bool:
    """Whether this is a bare .npy file of objects, for the message."""
    try:
        with path.open("rb") as file:
            return bool(_header(file)[1].hasobject)
    except UNREADABLE:
        return False
