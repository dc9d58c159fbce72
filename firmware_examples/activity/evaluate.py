"""Accuracy of the compiled network on every window of the people it was not trained on.

Runs the bit-exact reference, so the figures are those of the C.  Needs the recordings:
`make test` puts them where this script looks, or give their path.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import dataset
import numpy as np

import rnn2c

HERE = Path(__file__).resolve().parent
VARIANTS: tuple[dict[str, str], ...] = (
    {},
    {"activations": "int16"},
    {"profile": "fast"},
    {"profile": "compact"},
    {"weights": "int4"},
    {"weights": "int4-overlapped"},
    {"profile": "compact", "weights": "int4"},
    {"profile": "compact", "inputs": "int8"},
    {"profile": "compact", "sum_width": "int16"},
    {"sum_width": "int16"},
)


def main() -> None:
    """Print a Markdown table: one row for float, one for every variant."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=dataset.DEFAULT_DATA)
    x, labels, numbers = dataset.held_out(parser.parse_args().data)
    model = rnn2c.load(HERE / "activity.onnx")
    wanted = model.run({"x": x})["logits"].argmax(axis=-1)
    print(f"{len(labels)} windows of {len(set(numbers))} recordings\n")
    print("| | windows right | recordings right | same answer as float |")
    print("| --- | --- | --- | --- |")
    print(row("float", wanted, wanted, labels, numbers))
    for options in VARIANTS:
        integer = rnn2c.quantize(model, HERE / "calibration.npz", **options)
        classes = rnn2c.compile(integer).run({"x": x})["logits"].argmax(axis=-1)
        name = ", ".join(f"{key} {value}" for key, value in options.items()) or "default"
        print(row(name, classes, wanted, labels, numbers))


def row(
    name: str, classes: np.ndarray, wanted: np.ndarray, labels: np.ndarray, numbers: np.ndarray
) -> str:
    """One line of the table."""
    windows = 100 * np.mean(classes == labels)
    recordings = 100 * dataset.recording_accuracy(classes, labels, numbers)
    same = 100 * np.mean(classes == wanted)
    return f"| {name} | {windows:.1f} % | {recordings:.1f} % | {same:.1f} % |"


if __name__ == "__main__":
    main()
