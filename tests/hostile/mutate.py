"""Seeded mutations of valid files: of their bytes, and of an ONNX file's structure.

`attempt(seed)` mutates one file, imports and lowers it and passes if that works or raises
Rnn2cError.
"""

from __future__ import annotations

import io
import resource
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hostile_onnx import FEATURES
from onnx import TensorProto, helper
from seed_models import seeds

from rnn2c.calibration import read_sequences
from rnn2c.errors import Rnn2cError
from rnn2c.frontend import load
from rnn2c.frontend.onnx import OPERATORS
from rnn2c.ir.facts import model_facts
from rnn2c.ir.graph import Input, Model
from rnn2c.pipeline import compile_float32, prepare
from rnn2c.target import load_target

MEMORY = 2**30
HOST = load_target("host")
NUMBERS = (0, 1, -1, 2, 3, 5, 12, 255, 2**15, 2**31 - 1, -(2**31), 2**40, 2**62, -(2**63))
NAMES = ("", "X", "W", "R", "Y", "h", "shape", "z", "nope", "*/", "\x00", "a" * 300)
VALUES = (0.0, -0.0, 1e-45, 1.0, 1e38, float("inf"), float("nan"))


@cache
def npz_seed() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, X=np.ones((2, 4, FEATURES), np.float32), y=np.array([0, 1]))
    return buffer.getvalue()


def bytes_mutated(data: bytes, random: np.random.Generator) -> bytes:
    """A few bytes changed, removed, repeated or inserted."""
    held = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(0, len(held) + 1))
        match int(random.integers(5)):
            case 0 if at < len(held):
                held[at] ^= 1 << int(random.integers(8))
            case 1 if at < len(held):
                held[at] = int(random.integers(256))
            case 2:
                del held[at : at + int(random.integers(1, 9))]
            case 3:
                held[at:at] = held[at : at + int(random.integers(1, 40))]
            case _:
                held[at:at] = random.bytes(int(random.integers(1, 5)))
    return bytes(held)


def graph_mutated(data: bytes, random: np.random.Generator) -> bytes:
    """Valid protobuf that says something else."""
    model = onnx.ModelProto.FromString(data)
    for _ in range(int(random.integers(1, 4))):
        change = CHANGES[int(random.integers(len(CHANGES)))]
        if model.graph.node and model.graph.initializer:
            change(model.graph, random)
    return model.SerializeToString()


def _one(items: Sequence[Any], random: np.random.Generator) -> Any:
    return items[int(random.integers(len(items)))]


def change_dims(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    tensor = _one(graph.initializer, random)
    if tensor.dims:
        tensor.dims[int(random.integers(len(tensor.dims)))] = _one(NUMBERS, random)
    else:
        tensor.dims.append(_one(NUMBERS, random))


def change_data(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    tensor = _one(graph.initializer, random)
    if random.integers(3) == 0:
        tensor.data_type = int(random.integers(0, 26))
    elif tensor.data_type == TensorProto.FLOAT:
        values = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 4 * 4], np.float32).copy()
        if values.size:
            values[int(random.integers(values.size))] = _one(VALUES, random)
            tensor.raw_data = values.tobytes()
    else:
        count = len(tensor.raw_data) // 8
        tensor.raw_data = np.array([_one(NUMBERS, random) for _ in range(count)], "<i8").tobytes()


def change_wires(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    node = _one(graph.node, random)
    known = [*NAMES, *(name for n in graph.node for name in n.output)]
    side = node.input if random.integers(3) else node.output
    if side and random.integers(4):
        side[int(random.integers(len(side)))] = _one(known, random)
    else:
        side.append(_one(known, random))


def change_operator(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    _one(graph.node, random).op_type = _one(sorted(OPERATORS), random)


def change_attribute(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    node = _one(graph.node, random)
    names = sorted({a for o in OPERATORS.values() for a in o.attributes})
    kinds = (_one(NUMBERS, random), [_one(NUMBERS, random)] * 2, 1.5, "Relu", ["Tanh"], [0.5])
    made = helper.make_attribute(str(_one(names, random)), kinds[int(random.integers(6))])
    if node.attribute and random.integers(2):
        made.name = _one(node.attribute, random).name
        _one(node.attribute, random).CopyFrom(made)
    else:
        node.attribute.append(made)


def change_order(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    node = onnx.NodeProto()
    node.CopyFrom(_one(graph.node, random))
    if random.integers(2):
        graph.node.append(node)
    else:
        del graph.node[int(random.integers(len(graph.node)))]


def change_shape(graph: onnx.GraphProto, random: np.random.Generator) -> None:
    dims = graph.input[0].type.tensor_type.shape.dim
    dim = dims.add() if not dims or random.integers(4) == 0 else _one(dims, random)
    if random.integers(3):
        dim.dim_value = _one(NUMBERS, random)
    else:
        dim.dim_param = str(_one(NAMES, random))


CHANGES: tuple[Callable[[onnx.GraphProto, np.random.Generator], None], ...] = (
    change_dims, change_data, change_wires, change_operator, change_attribute, change_order,
    change_shape,
)  # fmt: skip


def attempt(seed: int, folder: Path) -> bool:
    """Whether the mutated file of this seed was accepted; only Rnn2cError may come out."""
    random = np.random.default_rng(seed)
    try:
        if seed % 5 == 4:
            path = folder / "calib.npz"
            path.write_bytes(bytes_mutated(npz_seed(), random))
            read_sequences(path, Model("m", (Input("X", FEATURES),), (), ()))
        else:
            mutated = bytes_mutated if seed % 5 == 3 else graph_mutated
            path = folder / "model.onnx"
            path.write_bytes(mutated(_one(seeds(), random), random))
            model = load(path, cross_check=False)
            model_facts(prepare(model))
            waits = "window" in model.rates().values()
            compile_float32(model, HOST, max_steps=8 if waits else None)
    except Rnn2cError as error:
        check_refusal(error)
        return False
    return True


def check_refusal(error: Rnn2cError) -> None:
    """One printable line of a length that can be read."""
    text = str(error)
    assert text.isprintable(), repr(text)
    assert len(text) < 1500, repr(text)


def attempts(
    first: int, count: int, attempt: Callable[[int, Path], bool] = attempt
) -> tuple[int, list[str]]:
    """Accepted files, and one line for every seed that broke the promise."""
    accepted, broken = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            try:
                accepted += attempt(seed, Path(folder))
            except BaseException as error:
                broken.append(f"seed {seed}: {type(error).__name__}: {error}"[:300])
    return accepted, broken


def limit_memory() -> None:
    """For a worker process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
