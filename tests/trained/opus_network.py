"""The speech/music network of Opus: read from its C arrays, and run by its own C."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import numpy as np
from trained_files import trained

from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output, Tensor

SCALE = 1 / 128
"""WEIGHTS_SCALE of mlp.h: one for all weights and biases, which are int8."""
INPUTS, DENSE, UNITS, CLASSES = 25, 32, 24, 2
HARNESS = """
#include "mlp.h"
void run(int steps, const float *x, float *y)
{
    float state[MAX_NEURONS] = {0}, dense[MAX_NEURONS];
    for (int t = 0; t < steps; t++) {
        compute_dense(&layer0, dense, x + t * layer0.nb_inputs);
        compute_gru(&layer1, state, dense);
        compute_dense(&layer2, y + t * layer2.nb_neurons, state);
    }
}
"""


def arrays() -> dict[str, np.ndarray]:
    """Every array of mlp_data.c by name."""
    text = trained("opus/src/mlp_data.c").read_text()
    found = re.findall(r"opus_int8 (\w+)\[(\d+)\] = \{([^}]*)\}", text)
    result = {name: np.array([int(n) for n in body.replace(",", " ").split()])
              for name, _, body in found}  # fmt: skip
    assert all(result[name].size == int(size) for name, size, _ in found)
    return result


def opus_model() -> Model:
    """Linear 25 -> 32 tanh, GRU 32 -> 24 (reset before the product), linear 24 -> 2 sigmoid.

    The source keeps its weights input by input, and the gates of the GRU as z, r, n.
    """
    held = arrays()

    def tensor(name: str, columns: int) -> Tensor:
        data = held[name].reshape(columns, -1).T
        return Tensor(data, np.full(len(data), SCALE), 8)

    def gates(rows: np.ndarray) -> np.ndarray:
        z, r, n = np.split(rows, 3)
        return np.concatenate([r, z, n])

    def cell(name: str, columns: int) -> Tensor:
        found = tensor(name, columns)
        return Tensor(gates(found.data), found.scale, 8)

    layers = (
        graph.Linear(name="dense", inputs=("x",), weight=tensor("layer0_weights", INPUTS),
                     bias=held["layer0_bias"] * SCALE, activation="tanh"),
        graph.Gru(name="gru", inputs=("dense",), reset_after=False,
                  w_ih=cell("layer1_weights", DENSE), w_hh=cell("layer1_recur_weights", UNITS),
                  b_ih=gates(held["layer1_bias"]) * SCALE, b_hh=np.zeros(3 * UNITS)),
        graph.Linear(name="out", inputs=("gru",), weight=tensor("layer2_weights", UNITS),
                     bias=held["layer2_bias"] * SCALE, activation="sigmoid"),
    )  # fmt: skip
    return Model("opus", (Input("x", INPUTS),), layers, (Output("y", "out"),))


def run_opus(x: np.ndarray, folder: Path) -> np.ndarray:
    """y [T, 2] for x [T, 25], computed by mlp.c itself."""
    source = trained("opus/src/mlp.c").parent
    (folder / "run.c").write_text(HARNESS)
    library = folder / "opus_mlp.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", f"-I{source}", f"-I{source.parent / 'include'}",
         f"-I{source.parent / 'celt'}", f"-I{source.parent / 'silk'}", "-o", str(library),
         str(folder / "run.c"), str(source / "mlp.c"), str(source / "mlp_data.c"), "-lm"],
        check=True,
    )  # fmt: skip
    given = np.ascontiguousarray(x, np.float32)
    y = np.zeros((len(x), CLASSES), np.float32)
    pointer = ctypes.POINTER(ctypes.c_float)
    ctypes.CDLL(str(library)).run(len(x), given.ctypes.data_as(pointer), y.ctypes.data_as(pointer))
    return y
