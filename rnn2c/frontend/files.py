"""Reading the bytes of a model file that nobody vouches for: a regular file of bounded size."""

from __future__ import annotations

from pathlib import Path

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.values import quoted


def read_bytes(path: Path, limit: int, wanted: str) -> bytes:
    """The whole file.

    wanted: what to give instead, as "an .onnx file".  Raises Rnn2cError for a path that is missing,
    no regular file, larger than `limit` bytes or unreadable.
    """
    try:
        if not path.exists():
            raise Rnn2cError(f"{quoted(path)}: no such file; give the path of {wanted}")
        if not path.is_file():
            raise Rnn2cError(f"{quoted(path)}: not a regular file; give the path of {wanted}")
        size = path.stat().st_size
        if size > limit:
            raise Rnn2cError(f"{quoted(path)}: {size} bytes; models up to {limit} bytes are read")
        return path.read_bytes()
    except OSError as error:
        raise Rnn2cError(f"{quoted(path)}: cannot be read ({error.strerror})") from None
