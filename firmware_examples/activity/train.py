"""Trains the activity model and writes every committed file of this example.

    python train.py --data watch_dataset.npy              activity.onnx, sensor.json, *.npz
    python train.py --data watch_dataset.npy --compare    accuracy of several sizes, writes nothing
    python train.py --data watch_dataset.npy --narrow     accuracy with sums of 16 bits, the same

Rule: subjects 1-7 train, subjects 8-10 are only measured; seeds are fixed.  The data file holds
pickled objects: it is unpickled only because you name it here and only if its SHA-256 is the
published one (dataset.py).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from dataset import (
    CHANNELS,
    CLASSES,
    DEFAULT_DATA,
    LSB,
    SAMPLE_RATE_HZ,
    STEPS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Counts,
    Labels,
    Recording,
    Sensor,
    cut_windows,
    load_recordings,
    of_subjects,
    recording_accuracy,
)
from network import TUNING, ActivityNet, Recipe, predict, train
from numpy.typing import NDArray

import rnn2c
from rnn2c.compress import bound_sums

HERE = Path(__file__).resolve().parent
COMMITTED_UNITS = 24
COMMITTED_SEED = 0
TUNING_SEED = 1
BOUND = 14.5
"""Of the sums of gates: below 16, so that rounded weights keep it too with steps of 2^-11."""
COMPARED_UNITS = (16, 24, 32)
COMPARED_SEEDS = (0, 1)
CALIBRATION_WINDOWS = 35
DEMO_WINDOWS = 21
SAMPLING_SEED = 2024
EVALUATION_STRIDE = 50


def fit_sensor(recordings: Sequence[Recording]) -> Sensor:
    """Mean (to a whole count) and deviation of every channel over the training recordings."""
    counts = np.concatenate([r.counts for r in recordings]).astype(np.float64)
    offset = tuple(int(v) for v in np.rint(counts.mean(axis=0)))
    return Sensor(tuple(float(v) for v in 1.0 / counts.std(axis=0)), offset)


def accuracy(
    net: ActivityNet, sensor: Sensor, recordings: Sequence[Recording]
) -> tuple[float, float]:
    """Fraction of windows and of recordings classified rightly, in float from int16 counts."""
    counts, labels, numbers = cut_windows(recordings, EVALUATION_STRIDE)
    predicted = predict(net, sensor.normalise(counts))
    return float(np.mean(predicted == labels)), recording_accuracy(predicted, labels, numbers)


def sample_windows(
    recordings: Sequence[Recording], total: int, rng: np.random.Generator
) -> tuple[Counts, Labels]:
    """`total` windows drawn at random, the same number of every class, classes in turn."""
    counts, labels, _ = cut_windows(recordings, EVALUATION_STRIDE)
    each = total // len(CLASSES)
    drawn = [rng.choice(np.flatnonzero(labels == k), each, False) for k in range(len(CLASSES))]
    order = np.stack(drawn, axis=1).ravel()
    return counts[order], labels[order]


def export(net: ActivityNet, path: Path) -> None:
    """Write the ONNX file: x [1, T, 6] to logits [1, 7], T free."""
    program = torch.onnx.export(
        net,
        (torch.zeros(1, STEPS, len(CHANNELS)),),
        input_names=["x"],
        output_names=["logits"],
        dynamic_shapes=({1: torch.export.Dim("steps", min=2, max=4096)},),
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("this torch exports only through the dynamo exporter")
    onnx.save_model(without_metadata(program.model_proto), path)


def without_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the exporter's notes: they hold stack traces with the paths of this machine."""
    graph = model.graph
    ports = (*graph.input, *graph.output)
    for item in (model, graph, *ports, *graph.node, *graph.initializer):
        del item.metadata_props[:]
    del graph.value_info[:]
    return model


def write_sensor(sensor: Sensor, path: Path) -> None:
    """Write `sensor.json`: lsb in physical units per count, scale per count, offset in counts."""
    record = {
        "channels": list(CHANNELS),
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "lsb": list(LSB),
        "lsb_unit": ["g"] * 3 + ["rad/s"] * 3,
        "input_scale": list(sensor.scale),
        "input_offset": list(sensor.offset),
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def write_files(
    net: ActivityNet, sensor: Sensor, recordings: Sequence[Recording], folder: Path
) -> None:
    """Everything the demo and its tests need, chosen at random with one fixed seed."""
    rng = np.random.default_rng(SAMPLING_SEED)
    calibration = of_subjects(recordings, TRAIN_SUBJECTS)
    counts, labels = sample_windows(calibration, CALIBRATION_WINDOWS, rng)
    np.savez_compressed(folder / "calibration.npz", x=sensor.normalise(counts), y=labels)
    shown, labels = sample_windows(of_subjects(recordings, TEST_SUBJECTS), DEMO_WINDOWS, rng)
    names: NDArray[np.str_] = np.array(CLASSES)
    x = sensor.normalise(shown)
    np.savez_compressed(folder / "windows.npz", counts=shown, x=x, y=labels, classes=names)
    write_sensor(sensor, folder / "sensor.json")
    export(net, folder / "activity.onnx")


def compare(recordings: Sequence[Recording], recipe: Recipe) -> None:
    """Print the held-out accuracy of every size and seed."""
    training = of_subjects(recordings, TRAIN_SUBJECTS)
    sensor = fit_sensor(training)
    for units in COMPARED_UNITS:
        for seed in COMPARED_SEEDS:
            net = train(training, sensor, units, seed, recipe)
            report(f"GRU-{units} seed {seed}", net, sensor, recordings)


def report(title: str, net: ActivityNet, sensor: Sensor, recordings: Sequence[Recording]) -> None:
    """Print the accuracy on the training and on the held-out subjects."""
    for name, subjects in (("train", TRAIN_SUBJECTS), ("held out", TEST_SUBJECTS)):
        windows, whole = accuracy(net, sensor, of_subjects(recordings, subjects))
        print(f"{title}, {name}: {windows:.1%} of windows, {whole:.1%} of recordings", flush=True)


def build(recordings: Sequence[Recording], recipe: Recipe, folder: Path) -> None:
    """Train the committed size, report it, write the files."""
    training = of_subjects(recordings, TRAIN_SUBJECTS)
    sensor = fit_sensor(training)

    def progress(epoch: int, loss: float) -> None:
        if epoch % 10 == 0:
            print(f"epoch {epoch} of {recipe.epochs}: loss {loss:.3f}", flush=True)

    net = train(training, sensor, COMMITTED_UNITS, COMMITTED_SEED, recipe, progress)
    report(f"GRU-{COMMITTED_UNITS} seed {COMMITTED_SEED}", net, sensor, recordings)
    largest = max(float(p.detach().abs().max()) for p in net.parameters())
    print(f"largest weight {largest:.2f}")
    write_files(net, sensor, recordings, folder)


def narrow(recordings: Sequence[Recording], recipe: Recipe) -> None:
    """Print what going on with the committed network does to sums of 16 bits, with and without a
    bound for them.
    """
    training = of_subjects(recordings, TRAIN_SUBJECTS)
    sensor = fit_sensor(training)
    shown = of_subjects(recordings, TEST_SUBJECTS)
    reach = float(np.abs(np.load(HERE / "calibration.npz")["x"]).max())
    net = train(training, sensor, COMMITTED_UNITS, COMMITTED_SEED, recipe)
    options = (training, sensor, COMMITTED_UNITS, TUNING_SEED, TUNING, None, net)
    nets = {
        "as committed": net,
        "15 epochs more": train(*options),
        f"the same, sums within {BOUND:g}": train(
            *options, after_step=lambda net: bound_sums(net.gru, BOUND, reach)
        ),
    }
    for title, one in nets.items():
        report(title, one, sensor, recordings)
        for sum_width in ("int32", "int16"):
            windows, whole = compiled_accuracy(one, sensor, shown, sum_width)
            print(
                f"  compact, sum_width {sum_width}: {windows:.1%} of windows, {whole:.1%}",
                flush=True,
            )


def compiled_accuracy(
    net: ActivityNet, sensor: Sensor, recordings: Sequence[Recording], sum_width: str
) -> tuple[float, float]:
    """Fraction of windows and of recordings that the integers of profile compact get right."""
    counts, labels, numbers = cut_windows(recordings, EVALUATION_STRIDE)
    with tempfile.TemporaryDirectory() as folder:
        export(net, Path(folder) / "net.onnx")
        model = rnn2c.load(Path(folder) / "net.onnx")
    integer = rnn2c.quantize(
        model, HERE / "calibration.npz", profile="compact", sum_width=sum_width
    )
    logits = rnn2c.compile(integer).run({"x": sensor.normalise(counts)})["logits"]
    predicted = logits.argmax(axis=-1)
    return float(np.mean(predicted == labels)), recording_accuracy(predicted, labels, numbers)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--narrow", action="store_true")
    options = parser.parse_args()
    # One thread: the order of float sums, and so the weights, do not depend on the machine's cores.
    torch.set_num_threads(1)
    started = time.monotonic()
    recordings = load_recordings(options.data)
    if options.compare:
        compare(recordings, Recipe())
    elif options.narrow:
        narrow(recordings, Recipe())
    else:
        build(recordings, Recipe(), options.out)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
