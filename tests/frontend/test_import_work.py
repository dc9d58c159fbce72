"""The work of an import grows with the nodes of a file and not with the size of its weights.

Work is counted in lines of Python, so the result does not depend on the machine; the time of the
10 MB model is printed and decides nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import rnn2c
from rnn2c.errors import UnsupportedError
from rnn2c.pipeline import prepare

RNG = np.random.default_rng(7)


@contextmanager
def counted_lines() -> Iterator[list[int]]:
    """One number: the lines of Python executed inside."""
    count = [0]

    def line(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        count[0] += event == "line"
        return line

    sys.settrace(line)
    try:
        yield count
    finally:
        sys.settrace(None)


def save(
    path: Path,
    size: int,
    nodes: list[onnx.NodeProto],
    arrays: dict[str, np.ndarray],
    steps: int | str = "T",
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, 1, size])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def chain(path: Path, operator: str, count: int) -> Path:
    """x -> OPERATOR -> OPERATOR -> ..."""
    shape = {"Add": (3,), "MatMul": (3, 3)}.get(operator, ())
    names = ["x", *(f"t{k}" for k in range(count))]
    arrays = {f"c{k}": RNG.normal(size=shape).astype(np.float32) for k in range(count) if shape}
    nodes = [
        helper.make_node(operator, [names[k], f"c{k}"] if shape else [names[k]], [names[k + 1]])
        for k in range(count)
    ]
    return save(path, 3, nodes, arrays)


def stack(path: Path, size: int, layers: int) -> Path:
    """LSTMs of `size` units, each with a MatMul and a Relu behind it."""
    arrays: dict[str, np.ndarray] = {"one": np.array([1], np.int64)}
    nodes, x = [], "x"
    for k in range(layers):
        shapes = {"W": (1, 4 * size, size), "R": (1, 4 * size, size), "M": (size, size)}
        for name, shape in shapes.items():
            array = RNG.normal(size=shape) / np.sqrt(size)
            arrays[f"{name}{k}"] = array.astype(np.float32)
        nodes += [
            helper.make_node("LSTM", [x, f"W{k}", f"R{k}"], [f"y{k}"], hidden_size=size),
            helper.make_node("Squeeze", [f"y{k}", "one"], [f"s{k}"]),
            helper.make_node("MatMul", [f"s{k}", f"M{k}"], [f"m{k}"]),
            helper.make_node("Relu", [f"m{k}"], [f"r{k}"]),
        ]
        x = f"r{k}"
    return save(path, size, nodes, arrays)


def picks(path: Path, count: int) -> Path:
    """The sum of one time step in the middle of each of `count` values."""
    nodes = []
    for k in range(count):
        nodes += [
            helper.make_node("Tanh", [f"y{k - 1}" if k else "x"], [f"y{k}"]),
            helper.make_node("Gather", [f"y{k}", "one"], [f"r{k}"], axis=0),
            helper.make_node("Add", [f"a{k - 1}" if k else "r0", f"r{k}"], [f"a{k}"]),
        ]
    return save(path, 3, nodes, {"one": np.array(1, np.int64)}, steps=5)


def lines(path: Path) -> int:
    rnn2c.load(path, cross_check=False)  # whatever happens only once
    with counted_lines() as count:
        prepare(rnn2c.load(path, cross_check=False))
    return count[0]


@pytest.mark.parametrize("operator", ["Add", "MatMul", "Tanh", "Softplus"])
def test_twice_the_nodes_are_twice_the_work(operator: str, tmp_path: Path) -> None:
    short, long = (lines(chain(tmp_path / f"{n}.onnx", operator, n)) for n in (150, 300))
    assert long <= 2.1 * short


def test_twice_the_values_of_which_steps_are_picked_are_twice_the_work(tmp_path: Path) -> None:
    work = []
    for count in (300, 600):
        path = picks(tmp_path / f"{count}.onnx", count)
        with counted_lines() as lines_run, pytest.raises(UnsupportedError, match="picks time step"):
            rnn2c.load(path, cross_check=False)
        work.append(lines_run[0])
    assert work[1] <= 2.3 * work[0]


def test_larger_weights_are_no_more_work(tmp_path: Path) -> None:
    small, large = (lines(stack(tmp_path / f"{n}.onnx", n, 2)) for n in (8, 64))
    assert large <= 1.05 * small


def test_ten_megabytes_with_their_cross_check(tmp_path: Path) -> None:
    path = stack(tmp_path / "large.onnx", 512, 1)
    assert path.stat().st_size > 9_000_000
    started = time.perf_counter()
    rnn2c.load(path, cross_check=False)
    alone = time.perf_counter() - started
    model = rnn2c.load(path)
    print(f"import {alone:.2f} s, with cross-check {time.perf_counter() - started - alone:.2f} s")
    assert model.cross_check.startswith("agrees with onnxruntime")
