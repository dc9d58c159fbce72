"""The watch recordings as sensor counts and as windows; numpy only.

Rule: everything the network sees has passed through the int16 counts a real sensor delivers, so
training, calibration, evaluation and firmware share one definition of the model input:
`x = (count - input_offset) * input_scale`, with both vectors in `sensor.json`.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLASSES = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
SAMPLE_RATE_HZ = 50
STEPS = 150
TRAIN_SUBJECTS = (1, 2, 3, 4, 5, 6, 7)
TEST_SUBJECTS = (8, 9, 10)

# A usual 6-axis sensor at +-8 g and +-2000 degrees/s: 4096 counts per g, 16.4 per degree/s.
# The recordings are in g and rad/s.  They reach 5.9 g and 29 rad/s, so nothing saturates.
ACCELEROMETER_LSB = 1.0 / 4096.0
GYROSCOPE_LSB = math.pi / 180.0 / 16.4
LSB = (ACCELEROMETER_LSB,) * 3 + (GYROSCOPE_LSB,) * 3

# data/watch_dataset.npy of seglearn 1.2.5.
DATA_SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
HERE = Path(__file__).resolve().parent
# Where `make test` installs the package.
DEFAULT_DATA = HERE.parents[1] / ".data/seglearn-1.2.5/seglearn/data/watch_dataset.npy"

Counts = NDArray[np.int16]
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Recording:
    """One set of 20 repetitions: `counts` [T, 6] at 50 Hz; `label` indexes CLASSES."""

    number: int
    subject: int
    label: int
    counts: Counts


@dataclass(frozen=True)
class Sensor:
    """Per channel: model input = (count - offset) * scale.  Offsets are whole counts."""

    scale: tuple[float, ...]
    offset: tuple[int, ...]

    def normalise(self, counts: Counts) -> Floats:
        """Counts [..., 6] to model input [..., 6]."""
        centred = counts.astype(np.float64) - np.asarray(self.offset, np.float64)
        x: Floats = (centred * np.asarray(self.scale)).astype(np.float32)
        return x


def read_sensor(path: Path = HERE / "sensor.json") -> Sensor:
    """The normalisation that belongs to `activity.onnx`."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return Sensor(tuple(record["input_scale"]), tuple(record["input_offset"]))


def to_counts(physical: NDArray[np.float64]) -> Counts:
    """Accelerations in g and rates in rad/s [T, 6] to int16 counts; ValueError if one saturates."""
    rounded = np.rint(physical / np.asarray(LSB))
    if np.abs(rounded).max() > np.iinfo(np.int16).max:
        raise ValueError("a reading exceeds the range of int16 counts: choose a larger LSB")
    counts: Counts = rounded.astype(np.int16)
    return counts


def load_recordings(data_path: Path) -> list[Recording]:
    """All 140 recordings of seglearn's `watch_dataset.npy`.

    The file holds pickled objects, and unpickling can run code.  It is therefore read only if
    its SHA-256 is the one of the published package; otherwise ValueError.
    """
    blob = data_path.read_bytes()
    if hashlib.sha256(blob).hexdigest() != DATA_SHA256:
        raise ValueError(f"{data_path} is not watch_dataset.npy of seglearn 1.2.5: not unpickled")
    data = np.load(io.BytesIO(blob), allow_pickle=True).item()
    rows = zip(data["subject"], data["y"], data["X"], strict=True)
    return [Recording(n, int(s), int(y), to_counts(x)) for n, (s, y, x) in enumerate(rows)]


def of_subjects(recordings: Sequence[Recording], subjects: Sequence[int]) -> list[Recording]:
    """The recordings of these subjects, in file order."""
    return [r for r in recordings if r.subject in subjects]


def cut_windows(recordings: Sequence[Recording], stride: int) -> tuple[Counts, Labels, Labels]:
    """Windows of 3 s every `stride` steps: counts [N, 150, 6], labels [N], recordings [N]."""
    pieces = [
        (r.counts[start : start + STEPS], r.label, r.number)
        for r in recordings
        for start in range(0, len(r.counts) - STEPS + 1, stride)
    ]
    counts, labels, numbers = zip(*pieces, strict=True)
    return np.stack(counts), np.array(labels, np.int64), np.array(numbers, np.int64)


def held_out(data_path: Path, stride: int = 50) -> tuple[Floats, Labels, Labels]:
    """Every window of the held-out subjects 8-10, one per second by default.

    Returns x [N, 150, 6] (normalised, from counts), y [N] and the recording number [N].
    """
    recordings = of_subjects(load_recordings(data_path), TEST_SUBJECTS)
    counts, labels, numbers = cut_windows(recordings, stride)
    return read_sensor().normalise(counts), labels, numbers


def recording_accuracy(predicted: Labels, labels: Labels, numbers: Labels) -> float:
    """Fraction of recordings whose most frequent window prediction (lowest on ties) is right."""
    right = []
    for number in np.unique(numbers):
        of_recording = numbers == number
        votes = np.bincount(predicted[of_recording], minlength=len(CLASSES))
        right.append(int(votes.argmax()) == int(labels[of_recording][0]))
    return float(np.mean(right))
