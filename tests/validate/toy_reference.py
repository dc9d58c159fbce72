"""The toy model of tests/validate/toy in Python: its interface and what it must compute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir.interface import Interface, Port
from rnn2c.validate.compare import SequenceResult

FOLDER = Path(__file__).parent / "toy"
INTERFACE = Interface(
    name="toy",
    model_id=0x70795431,
    inputs=(
        Port("x", "int8_t", 3),
        Port("token", "uint16_t", 1),
        Port("h0", "int16_t", 4, "sequence"),
        Port("n0", "int32_t", 1, "sequence"),
    ),
    outputs=(
        Port("y", "int16_t", 4),
        Port("sum", "int32_t", 1),
        Port("label", "uint8_t", 2, "sequence"),
    ),
    saved=(Port("h", "int16_t", 4), Port("n", "int32_t", 1)),
    stages=("the only one",),
)
WEIGHTS = np.array([[3, -7, 120], [-128, 5, 9], [77, 88, -99], [1, 2, 127]])
BIAS = np.array([0, -300, 25000, -32768, 4096])

Sequence = Mapping[str, NDArray[np.int64]]


def sequences(seed: int, count: int = 3, steps: int = 9) -> list[dict[str, NDArray[np.int64]]]:
    """Random sequences of different lengths, with and without initial state."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        length = steps + index
        sequence = {
            "x": rng.integers(-128, 128, (length, 3)),
            "token": rng.integers(0, 5, (length, 1)),
        }
        if index % 2 == 0:
            sequence["h0"] = rng.integers(-32768, 32768, 4)
        if index % 3 == 0:
            sequence["n0"] = np.array([0])
        made.append(sequence)
    return made


def reference(sequence: Sequence) -> SequenceResult:
    """The toy in exact integers."""
    h, n = sequence.get("h0", np.zeros(4, np.int64)).copy(), int(sequence.get("n0", [0])[0])
    codes, ys, sums, hs, ns = [], [], [], [], []
    for x, (token,) in zip(sequence["x"], sequence["token"], strict=True):
        valid = token < len(BIAS)
        if valid:
            half = np.sign(h) * (np.abs(h) // 2)
            h = np.clip(half + WEIGHTS @ x + BIAS[token], -32768, 32767)
            n += 1
        codes.append(0 if valid else -3)
        ys.append(h if valid else 0 * h)
        sums.append([h.sum() if valid else 0])
        hs.append(h)
        ns.append([n])
    saved = {"h": np.array(hs).reshape(-1, 4), "n": np.array(ns).reshape(-1, 1)}
    outputs = {"y": np.array(ys).reshape(-1, 4), "sum": np.array(sums).reshape(-1, 1)}
    label = np.array([n & 255, int(h.sum()) & 255])
    return SequenceResult(np.array(codes, np.int64), outputs, saved, {"label": label})
