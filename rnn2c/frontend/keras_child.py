"""Child process of the Keras front end: unpacks one file under limits set before h5py is imported.

Arguments: bytes of memory, seconds of processor time, most weights, "keras" (a zip) or "h5".
Standard input: the file; standard output: an .npz with `manifest` (JSON as bytes: the model's JSON
text, the paths of all weights, names kept in attributes) and `a0`, `a1`, ... (the weights).
Nothing is followed out of the file: only hard links and data stored in the file itself are read.
"""

import io
import json
import resource
import sys
import zipfile
from typing import Any

MAX_JSON = 4 * 2**20
MAX_OBJECTS = 5_000
MAX_DEPTH = 24
MAX_PATH = 2000
MAX_NAMES = 100_000
MAX_METADATA = 10_000
ROOTS = {"keras": ("layers", "_layer_checkpoint_dependencies"), "h5": ("model_weights",)}
FLOATS = ("<f4", ">f4", "<f8", ">f8")


class RefusedError(Exception):
    """What the user is told; anything else that escapes is reported as a damaged file."""


class Walk:
    """Collects the float weights below a group."""

    def __init__(self, h5py: Any, most: int) -> None:
        self.h5py = h5py
        self.left = most
        self.objects = 0
        self.named = 0
        self.arrays: dict[str, Any] = {}
        self.names: dict[str, list[str]] = {}
        self.skipped: dict[str, str] = {}

    def group(self, group: Any, path: str, depth: int) -> None:
        """Everything below one group; `path` is its name in the file."""
        if depth > MAX_DEPTH:
            raise RefusedError(f"group {path[:60]!r}: nested deeper than {MAX_DEPTH} levels")
        self._attributes(group, path)
        for key in group:
            name = f"{path}/{key}"
            self.objects += 1
            if self.objects > MAX_OBJECTS or len(name) > MAX_PATH:
                raise RefusedError(
                    f"more than {MAX_OBJECTS} objects, or names over {MAX_PATH} letters"
                )
            if not isinstance(group.get(key, getlink=True), self.h5py.HardLink):
                raise RefusedError(
                    f"{name[:200]!r} is a soft or external link; save the model again"
                )
            found = group[key]
            if isinstance(found, self.h5py.Group):
                self.group(found, name, depth + 1)
            elif isinstance(found, self.h5py.Dataset):
                self._dataset(found, name)
            else:
                raise RefusedError(f"{name[:200]!r} is neither a group nor a dataset")

    def _attributes(self, group: Any, path: str) -> None:
        for key in group.attrs:
            # A long list is cut into weight_names0, weight_names1, ...
            stem = key.rstrip("0123456789")
            if stem in ("name", "weight_names"):
                found = texts(group.attrs[key], key)
                self.named += sum(1 + len(text) // MAX_PATH for text in found)
                if self.named > MAX_NAMES:
                    raise RefusedError(f"more than {MAX_NAMES} names in the file")
                self.names.setdefault(f"{path}@{stem}", []).extend(found)

    def _dataset(self, dataset: Any, name: str) -> None:
        shown = repr(name[:200])
        if dataset.dtype.hasobject:
            raise RefusedError(f"weight {shown} holds objects; only float32 weights are read")
        if dataset.dtype.str not in FLOATS:
            self.skipped[name] = str(dataset.dtype)
            return
        stored = dataset.id.get_create_plist()
        if dataset.is_virtual or stored.get_external_count() or stored.get_nfilters():
            raise RefusedError(
                f"weight {shown} is stored compressed or outside the file; save the model again"
            )
        self.left -= dataset.size or 0
        if self.left < 0:
            raise RefusedError("more weights than a model for a microcontroller can have")
        if dataset.shape is None or dataset.id.get_storage_size() < dataset.nbytes:
            raise RefusedError(
                f"weight {shown}: shape {dataset.shape} needs {dataset.nbytes} bytes, the file has "
                f"{dataset.id.get_storage_size()}"
            )
        self.arrays[name] = dataset[()]


def texts(value: Any, what: str) -> list[str]:
    """An attribute that is a text or a list of texts (an empty list has any type)."""
    items = [value] if isinstance(value, (str, bytes)) else list(value)
    if not all(isinstance(i, (str, bytes)) for i in items):
        raise RefusedError(f"attribute {what[:60]!r} is no text")
    return [i.decode("utf-8") if isinstance(i, bytes) else str(i) for i in items]


def unzip(data: bytes, most: int) -> tuple[str, bytes, str]:
    """config.json, model.weights.h5 and the version of a .keras file; sizes are checked first."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        raise RefusedError(
            "not a .keras file (no zip), or a damaged one; save the model again"
        ) from None
    names = archive.namelist()
    parts = []
    members = [("config.json", MAX_JSON), ("model.weights.h5", 10 * most)]
    if "metadata.json" in names:
        members.append(("metadata.json", MAX_METADATA))
    for name, limit in members:
        if names.count(name) != 1:
            raise RefusedError(
                f"the zip holds {names.count(name)} members {name!r}, expected one; save the model "
                "with model.save('NAME.keras')"
            )
        info = archive.getinfo(name)
        if info.file_size > limit:
            raise RefusedError(
                f"member {name!r} unpacks to {info.file_size} bytes; at most {limit}"
            )
        if info.flag_bits & 1 or info.compress_type not in (0, zipfile.ZIP_DEFLATED):
            raise RefusedError(f"member {name!r} is encrypted or packed in an unusual way")
        try:
            parts.append(archive.read(info))
        except (zipfile.BadZipFile, EOFError, ValueError):
            raise RefusedError(f"member {name!r} is damaged; save the model again") from None
    metadata = json.loads(parts[2]) if len(parts) > 2 else {}
    version = metadata.get("keras_version", "") if isinstance(metadata, dict) else ""
    return parts[0].decode("utf-8"), parts[1], str(version)[:40]


def main() -> None:
    """Unpack one file."""
    memory, seconds, most = (int(a) for a in sys.argv[1:4])
    kind = sys.argv[4]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import h5py
    import numpy as np

    data = sys.stdin.buffer.read()
    config = version = ""
    if kind == "keras":
        config, data, version = unzip(data, most)
    try:
        file = h5py.File(io.BytesIO(data), "r")
    except OSError:
        raise RefusedError(
            "the weights are no HDF5 file, or a damaged one; save the model again"
        ) from None
    if kind == "h5":
        if "model_config" not in file.attrs:
            raise RefusedError(
                "holds weights without a model; save the whole model with model.save('NAME.keras')"
            )
        config = "".join(texts(file.attrs["model_config"], "model_config"))
        version = "".join(texts(file.attrs.get("keras_version", ""), "keras_version"))[:40]
        if len(config) > MAX_JSON:
            raise RefusedError(f"the model's JSON has {len(config)} letters; at most {MAX_JSON}")
    walk = Walk(h5py, most)
    for root in ROOTS[kind]:
        if root in file and isinstance(file.get(root, getlink=True), h5py.HardLink):
            found = file[root]
            if isinstance(found, h5py.Group):
                walk.group(found, root, 1)
    manifest = {
        "config": config,
        "paths": list(walk.arrays),
        "names": walk.names,
        "skipped": walk.skipped,
        "version": version,
    }
    buffer = io.BytesIO()
    arrays = {f"a{k}": array for k, array in enumerate(walk.arrays.values())}
    text = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(buffer, manifest=text, **arrays)
    sys.stdout.buffer.write(buffer.getvalue())


if __name__ == "__main__":
    try:
        main()
    except RefusedError as refusal:
        print(" ".join(str(refusal).split()), file=sys.stderr)
        sys.exit(3)
    except Exception as error:
        print(" ".join(str(error).split()) or type(error).__name__, file=sys.stderr)
        sys.exit(1)
