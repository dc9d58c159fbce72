"""Hostile ONNX files: one line that names the culprit, exit code 2, nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hostile_onnx import (
    bottomless,
    control_flow,
    external,
    fold,
    lstm,
    quantized,
    weight,
    with_dims,
)
from onnx import TensorProto, helper, numpy_helper

Make = Callable[[], onnx.ModelProto]


def changed(change: Callable[[onnx.ModelProto], Any]) -> onnx.ModelProto:
    model = lstm()
    change(model)
    return model


def node(operator: str, inputs: list[str], outputs: list[str], **more: Any) -> onnx.ModelProto:
    return lstm(before=[helper.make_node(operator, inputs, outputs, **more)])


def sparse(model: onnx.ModelProto) -> None:
    held = model.graph.sparse_initializer.add(dims=[8])
    held.values.CopyFrom(TensorProto(name="SP", data_type=TensorProto.FLOAT, dims=[4]))
    held.values.data_location = TensorProto.EXTERNAL
    held.values.external_data.add(key="location", value="../secret")


def weight_as_input(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]
    info = helper.make_tensor_value_info("W", TensorProto.FLOAT, [1, 12, 2])
    model.graph.input.append(info)


def cycle() -> onnx.ModelProto:
    nodes = [helper.make_node("Add", ["b", "X"], ["a"]), helper.make_node("Add", ["a", "X"], ["b"])]
    return lstm(before=nodes)


ZERO_WIDE = np.zeros((1, 12, 0), np.float32)
CASES: dict[str, tuple[Make, tuple[str, ...]]] = {
    "external dotdot": (lambda: external("../secret"), ("'W'", "external data")),
    "external absolute": (lambda: external("/etc/hostname"), ("'W'", "external data")),
    "external device": (lambda: external("../../../../../dev/zero"), ("'W'", "external data")),
    "external memory": (lambda: external("*/_ORT_MEM_ADDR_/*"), ("'W'", "external data")),
    "external offset": (lambda: external("short", -8), ("'W'", "external data")),
    "external empty": (lambda: external(""), ("'W'", "external data")),
    "external in a node": (
        lambda: external("../secret", attribute=True),
        ("'W_constant'", "external data"),
    ),
    "external in sparse": (lambda: changed(sparse), ("sparse", "'SP'")),
    "hidden 5": (lambda: lstm(hidden_size=5), ("'W'", "[1, 12, 2]", "[1, 20,", "hidden_size=5")),
    "hidden 0": (lambda: lstm(hidden_size=0), ("hidden_size=0",)),
    "hidden negative": (lambda: lstm(hidden_size=-3), ("hidden_size=-3",)),
    "hidden huge": (lambda: lstm(hidden_size=2**62), (f"hidden_size={2**62}",)),
    "R columns": (lambda: lstm(arrays={"R": np.zeros((1, 12, 4), np.float32)}), ("R 'R'", "12, 4")),
    "W rank": (lambda: lstm(arrays={"W": np.zeros((12, 2), np.float32)}), ("W 'W'", "[12, 2]")),
    "two directions": (
        lambda: lstm(arrays={n: np.zeros((2, 12, k), np.float32) for n, k in (("W", 2), ("R", 3))}),
        ("[2, 12, 2]", "[1, 12, input size]"),
    ),
    "B short": (
        lambda: lstm(arrays={"B": np.zeros((1, 12), np.float32)}, inputs=("X", "W", "R", "B")),
        ("B 'B'", "[1, 12]", "[1, 24]"),
    ),
    "X features": (lambda: lstm(shape=[4, 1, 5]), ("5 features", "expects 2")),
    "X rank": (lambda: lstm(shape=[4, 2]), ("X has 2 dimensions",)),
    "no steps": (lambda: lstm(shape=[0, 1, 2]), ("time dimension of size 0",)),
    "negative steps": (lambda: lstm(shape=[-4, 1, 2]), ("'X'", "-4")),
    "endless steps": (lambda: lstm(shape=[2**40, 1, 2]), ("'X'", str(2**40), "dynamic")),
    "no batch": (lambda: lstm(shape=[4, 0, 2]), ("batch size 0",)),
    "negative batch": (lambda: lstm(shape=[4, -1, 2]), ("'X'", "-1")),
    "no features": (lambda: lstm(shape=[4, 1, 0], arrays={"W": ZERO_WIDE}), ("'X'", "size 0")),
    "direction": (lambda: lstm(direction="sideways"), ("direction 'sideways'",)),
    "activation": (lambda: lstm(activations=["Evil", "Tanh", "Tanh"]), ("activations", "Evil")),
    "few activations": (lambda: lstm(activations=["Sigmoid"]), ("activations", "'Sigmoid'")),
    "clip": (lambda: lstm(clip=float("nan")), ("clip=nan",)),
    "layout": (lambda: lstm(layout=7), ("layout=7",)),
    "input_forget": (lambda: lstm(input_forget=2), ("input_forget",)),
    "attribute": (lambda: lstm(wibble=1), ("attribute 'wibble'", "unknown")),
    "attribute kind": (lambda: lstm(hidden_size="3"), ("hidden_size", "wrong type")),
    "nan": (lambda: weight((0, 5, 1), np.nan), ("'W'", "[0, 5, 1]", "nan")),
    "infinity": (lambda: weight((0, 5, 1), -np.inf), ("'W'", "[0, 5, 1]", "-inf")),
    "large": (lambda: weight((0, 5, 1), 1e38), ("'W'", "[0, 5, 1]", "1e+38")),
    "dims overflow": (lambda: with_dims([2**31, 2**31]), ("'W'", "dimensions", str(2**62))),
    "dims wrap to zero": (lambda: with_dims([2**62, 4]), ("'W'", "dimensions", str(2**64))),
    "dims negative": (lambda: with_dims([-1, 5]), ("'W'", "dimensions [-1, 5]")),
    "dims bytes": (lambda: with_dims([1, 12, 2**40]), ("'W'", "dimensions", "the file has 24")),
    "fold ConstantOfShape": (
        lambda: fold("ConstantOfShape", ["shape"], [2**15, 2**15, 16]),
        ("'bomb'", "'big'", str(2**34)),
    ),
    "fold Expand": (lambda: fold("Expand", ["W", "shape"], [2**20, 12, 2]), ("'bomb'", "'big'")),
    "fold Tile": (lambda: fold("Tile", ["W", "shape"], [2**20, 2**6, 1]), ("'bomb'", "Tile")),
    "fold Range": (lambda: fold("Range", ["zero", "far", "one"], [1]), ("'bomb'", "Range")),
    "scale 0": (lambda: quantized(0.0, np.int8(0)), ("'quant'", "scale 's' is 0")),
    "scale negative": (lambda: quantized(-1.0, np.int8(0)), ("scale 's' is -1",)),
    "scale nan": (lambda: quantized(np.nan, np.int8(0)), ("scale 's' is nan",)),
    "scale infinite": (lambda: quantized(np.inf, np.int8(0)), ("scale 's' is inf",)),
    "scale denormal": (lambda: quantized(1e-42, np.int8(0)), ("scale 's' is",)),
    "scale huge": (lambda: quantized(1e30, np.int8(0)), ("scale 's' is 1e+30",)),
    "zero point": (lambda: quantized(0.1, np.int16(3)), ("zero point 'z'", "wrong type")),
    "zero point of data": (lambda: quantized(0.1, np.float32(3)), ("zero point 'z'", "wrong type")),
    "If": (lambda: control_flow("If", 1), ("'flow' (If)", "not supported")),
    "Loop": (lambda: control_flow("Loop", 1), ("'flow' (Loop)", "not supported")),
    "nested Scan": (lambda: control_flow("Scan", 20), ("'flow' (Scan)", "not supported")),
    "cycle": (cycle, ("reads 'b'", "nothing before it defines")),
    "unsorted": (lambda: node("Relu", ["Y"], ["z"]), ("reads 'Y'", "nothing before it defines")),
    "defined twice": (lambda: node("Relu", ["X"], ["Y"]), ("'Y'", "a second time")),
    "missing": (lambda: lstm(inputs=("X", "W", "nope")), ("reads 'nope'",)),
    "operator": (lambda: node("Evil", ["X"], ["z"]), ("(Evil)", "supported are")),
    "domain": (lambda: node("Evil", ["X"], ["z"], domain="com.evil"), ("(com.evil.Evil)",)),
    "opset 0": (lambda: lstm(opset=0), ("opset 0",)),
    "opset 999": (lambda: lstm(opset=999), ("opset 999",)),
    "no opset": (lambda: changed(lambda m: m.ClearField("opset_import")), ("opset missing",)),
    "initializer twice": (
        lambda: changed(lambda m: m.graph.initializer.append(m.graph.initializer[0])),
        ("'W' is defined twice",),
    ),
    "weights as input": (lambda: changed(weight_as_input), ("'W'", "make it an initializer")),
    "no output": (lambda: changed(lambda m: m.graph.ClearField("output")), ("no output",)),
    "no nodes": (lambda: changed(lambda m: m.graph.ClearField("node")), ("holds no ONNX graph",)),
    "strings": (lambda: lstm(kind=TensorProto.STRING), ("'X'", "string", "float32")),
    "double": (lambda: lstm(kind=TensorProto.DOUBLE), ("'X'", "double", "float32")),
    "half weights": (
        lambda: lstm(arrays={"W": np.zeros((1, 12, 2), np.float16)}),
        ("'W'", "float16", "float32"),
    ),
    **{
        f"sequence_lens {length}": (
            lambda length=length: lstm(
                inputs=("X", "W", "R", "", "len"), arrays={"len": np.array([length], np.int32)}
            ),
            ("sequence_lens", str(length)),
        )
        for length in (5, 0, -1, 2**31 - 1)
    },
}


@pytest.mark.parametrize("case", CASES)
def test_hostile_model(case: str, limited) -> None:
    make, words = CASES[case]
    (limited.case.parent / "secret").write_bytes(b"S" * 96)
    line = limited.refused("build", limited.model(make().SerializeToString()))
    for word in words:
        assert word in line


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_linked_external_data_is_never_opened(link: str, limited) -> None:
    secret = limited.case.parent / "secret"
    os.mkfifo(secret)  # reading it would block and run into the time limit
    (os.symlink if link == "symbolic" else os.link)(secret, limited.case / "linked")
    model = limited.model(external("linked").SerializeToString())
    assert "external data is not read" in limited.refused("build", model)


GOOD = lstm().SerializeToString()
CONTAINERS = {
    "empty": b"",
    "truncated": GOOD[: len(GOOD) // 2],
    "junk": GOOD + b"\xff" * 9,
    "text": b"hello world",
    "zeros": b"\0" * 64,
    "operator is no UTF-8": GOOD.replace(b"LSTM", b"L\xffTM"),
    "gzip": b"\x1f\x8b" + GOOD,
    "too deep": bottomless(5000),
    "json": b'{"graph":{}}',
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_broken_container(case: str, limited) -> None:
    line = limited.refused("build", limited.model(CONTAINERS[case]))
    assert ("'cell'" if "UTF-8" in case else "model.onnx'") in line


def test_folder_pipe_and_device_are_not_read(limited) -> None:
    (limited.case / "folder.onnx").mkdir()
    os.mkfifo(limited.case / "pipe.onnx")
    os.symlink("/dev/zero", limited.case / "zero.onnx")
    for name in ("folder.onnx", "pipe.onnx", "zero.onnx"):
        line = limited.refused("build", limited.case / name)
        assert f"{name}'" in line
        assert "not a regular file" in line


def test_unreadable_text_of_every_field_stays_out_of_the_message(limited) -> None:
    evil = "\x1b[2J\u202e\n*/" + "a" * 70000
    model = lstm(inputs=("X", evil, "R"), names={"node": evil})
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "unused"))
    line = limited.refused("build", limited.model(model.SerializeToString()))
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert "aaa..." in line
