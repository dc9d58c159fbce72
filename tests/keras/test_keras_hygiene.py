"""Keras, TensorFlow and h5py stay out of the compiler's own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

FIXTURE = Path(__file__).parent / "fixtures" / "sequential.keras"
HEAVY = {"keras", "tensorflow", "h5py", "torch", "onnxruntime"}


def small_onnx(folder: Path) -> Path:
    """A linear layer."""
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    shown = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", [shape], [shown], [weight]))
    model.opset_import[0].version = 17
    onnx.save(model, folder / "small.onnx")
    return folder / "small.onnx"


def loaded_by(path: Path) -> set[str]:
    """Modules of a fresh process that has loaded a model."""
    code = (
        f"import sys, rnn2c\nrnn2c.load({str(path)!r}, cross_check=False)\n"
        "print(*(name.split('.')[0] for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("kind", ["keras", "onnx"])
def test_what_loading_a_file_imports(kind, tmp_path):
    loaded = loaded_by(FIXTURE if kind == "keras" else small_onnx(tmp_path))
    assert "rnn2c" in loaded
    assert loaded & HEAVY == set()
    assert ("onnx" in loaded) == (kind == "onnx")
