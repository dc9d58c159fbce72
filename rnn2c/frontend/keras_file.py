"""Reading a .keras or .h5 file that nobody vouches for; Keras itself is never imported.

The containers (zip, HDF5) are unpacked by h5py in a child process with limits on memory and time,
so that a file made to break the HDF5 library breaks nothing else.  What comes back is plain JSON
and plain arrays.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn2c.errors import MissingToolError, Rnn2cError, UnsupportedError
from rnn2c.frontend.files import read_bytes
from rnn2c.frontend.json_text import Json, parse_json
from rnn2c.frontend.values import quoted

CHILD = Path(__file__).with_name("keras_child.py")
MAX_FILE_BYTES = 128 * 2**20
MAX_WEIGHTS = 2**24
MEMORY_BYTES = 2**30
SECONDS = 5
REFUSED = 3
ZIPPED = ".keras"


@dataclass(frozen=True, eq=False)
class KerasFile:
    """What a file holds: the model's JSON and its weights by path in the HDF5 file.

    names: PATH@name and PATH@weight_names are attributes of the group PATH; skipped: weights that
    are not floats, with their type; zipped: .keras, else .h5 (they name weights differently);
    version: of Keras, empty where the file does not say.
    """

    config: Json
    weights: Mapping[str, NDArray[Any]]
    names: Mapping[str, list[str]]
    skipped: Mapping[str, str]
    zipped: bool
    version: str = ""


def read_keras(path: Path) -> KerasFile:
    """Unpack a file; raises Rnn2cError, MissingToolError without h5py."""
    zipped = path.suffix.lower() == ZIPPED
    data = read_bytes(path, MAX_FILE_BYTES, "a .keras or .h5 file")
    if importlib.util.find_spec("h5py") is None:
        raise MissingToolError(
            f"{quoted(path)}: reading Keras files needs h5py, which is not installed; "
            "pip install 'rnn2c[keras]'"
        )
    manifest, arrays = _unpack(path, data, zipped)
    return KerasFile(
        config=parse_json(manifest["config"], path),
        weights=dict(zip(manifest["paths"], arrays, strict=True)),
        names=manifest["names"],
        skipped=manifest["skipped"],
        zipped=zipped,
        version=str(manifest["version"]),
    )


def _unpack(path: Path, data: bytes, zipped: bool) -> tuple[Json, list[NDArray[Any]]]:
    limits = [str(n) for n in (MEMORY_BYTES, SECONDS, MAX_WEIGHTS)]
    # -P: the folder of the child must not shadow the json of the standard library.
    command = [sys.executable, "-P", str(CHILD), *limits, "keras" if zipped else "h5"]
    # More threads would only reserve memory.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=4 * SECONDS, env=environment,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Rnn2cError(
            f"{quoted(path)}: reading did not finish in {4 * SECONDS} s; save the model again"
        ) from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        lines = lines or [f"reading it crashed or took more than {SECONDS} s"]
        if done.returncode == REFUSED:
            raise UnsupportedError(f"{quoted(path)}: {lines[-1][:300]}")
        raise Rnn2cError(f"{quoted(path)}: damaged ({lines[-1][:120]}); save the model again")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as found:
        manifest: Json = json.loads(found["manifest"].tobytes())
        return manifest, [found[f"a{k}"] for k in range(len(manifest["paths"]))]
