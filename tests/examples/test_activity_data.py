"""The activity example's committed files agree with each other and with the firmware's C.

Rule: one definition of the model input; counts, normalised windows, sensor.json, the ONNX file and
the windows compiled into the firmware are compared with it value by value.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest

from rnn2c.frontend import load

EXAMPLE = Path(__file__).resolve().parents[2] / "firmware_examples" / "activity"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion"]
STRICT += ["-Wshadow", "-Wundef", "-Wstrict-prototypes", "-Werror"]

FAKE_HEADER = """
#include <stdint.h>
typedef int16_t har_x_t;
typedef int16_t har_logits_t;
#define HAR_X_SIZE 6
#define HAR_LOGITS_SIZE 7
typedef struct { int steps; } har_state_t;
int har_init(har_state_t *s);
int har_step(har_state_t *s, const har_x_t x[HAR_X_SIZE]);
int har_finish(const har_state_t *s, har_logits_t logits[HAR_LOGITS_SIZE]);
int har_from_raw(const int16_t raw[HAR_X_SIZE], har_x_t x[HAR_X_SIZE]);
"""

# A stand-in model: prints every sample it is given and answers class 2 with a tie at class 5.
FAKE_MODEL = """
#include <stdio.h>
#include "har.h"
int har_init(har_state_t *s) { s->steps = 0; return 0; }
int har_from_raw(const int16_t raw[HAR_X_SIZE], har_x_t x[HAR_X_SIZE])
{
    for (int i = 0; i < HAR_X_SIZE; i++) { x[i] = raw[i]; }
    return 0;
}
int har_step(har_state_t *s, const har_x_t x[HAR_X_SIZE])
{
    printf("sample %d %d %d %d %d %d %d\\n", s->steps++, x[0], x[1], x[2], x[3], x[4], x[5]);
    return STEP_CODE;
}
int har_finish(const har_state_t *s, har_logits_t logits[HAR_LOGITS_SIZE])
{
    for (int i = 0; i < HAR_LOGITS_SIZE; i++) { logits[i] = -300; }
    logits[2] = -7;
    logits[5] = -7;
    return s->steps == 150 ? 0 : -4;
}
"""

FAKE_MAIN = """
#include <stdio.h>
#include "demo.h"
static void print_text(const char *text) { (void)fputs(text, stdout); }
int main(void) { return demo_run(print_text) < 0 ? 9 : 0; }
"""


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"activity_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


dataset = load_script("dataset")
make_windows = load_script("make_windows")


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(EXAMPLE / name, allow_pickle=False) as data:
        return {key: data[key] for key in data.files}


def logits_of(x: np.ndarray) -> np.ndarray:
    """The ONNX file in onnxruntime: x [N, T, 6] to logits [N, 7]."""
    session = onnxruntime.InferenceSession(
        str(EXAMPLE / "activity.onnx"), providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(["logits"], {"x": window[None]})[0] for window in x])


def test_windows_have_the_promised_shapes_and_three_of_each_class() -> None:
    windows = arrays("windows.npz")
    assert windows["counts"].dtype == np.int16
    assert windows["counts"].shape == (21, 150, 6)
    assert windows["x"].dtype == np.float32
    assert windows["x"].shape == (21, 150, 6)
    assert np.bincount(windows["y"], minlength=7).tolist() == [3] * 7
    assert tuple(windows["classes"]) == dataset.CLASSES


def test_normalised_windows_are_the_counts_through_sensor_json() -> None:
    windows = arrays("windows.npz")
    sensor = dataset.read_sensor()
    np.testing.assert_array_equal(sensor.normalise(windows["counts"]), windows["x"])
    record = json.loads((EXAMPLE / "sensor.json").read_text(encoding="utf-8"))
    by_hand = (windows["counts"] - np.array(record["input_offset"])) * record["input_scale"]
    np.testing.assert_allclose(windows["x"], by_hand, rtol=0, atol=1e-5)


def test_no_reading_saturates() -> None:
    counts = arrays("windows.npz")["counts"].astype(np.int64)
    assert 1000 < np.abs(counts).max() < 32767
    with pytest.raises(ValueError, match="larger LSB"):
        dataset.to_counts(np.full((1, 6), 40.0))


def test_calibration_lies_on_the_grid_of_counts() -> None:
    calibration = arrays("calibration.npz")
    x, sensor = calibration["x"], dataset.read_sensor()
    assert x.dtype == np.float32
    assert x.shape == (35, 150, 6)
    assert np.bincount(calibration["y"], minlength=7).tolist() == [5] * 7
    counts = x.astype(np.float64) / np.array(sensor.scale) + np.array(sensor.offset)
    np.testing.assert_allclose(counts, np.rint(counts), rtol=0, atol=0.01)
    np.testing.assert_array_equal(sensor.normalise(np.rint(counts).astype(np.int16)), x)


def test_calibration_shares_no_sample_sequence_with_the_held_out_windows() -> None:
    held = {window[:10].tobytes() for window in arrays("windows.npz")["x"]}
    for window in arrays("calibration.npz")["x"]:
        pieces = {window[start : start + 10].tobytes() for start in range(len(window) - 9)}
        assert not held & pieces


def test_onnx_file_is_small_self_contained_and_without_notes() -> None:
    model = onnx.load_model(str(EXAMPLE / "activity.onnx"), load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert [n.op_type for n in model.graph.node] == ["Transpose", "GRU", "Gather", "Gemm"]
    assert [i.name for i in model.graph.input] == ["x"]
    assert [o.name for o in model.graph.output] == ["logits"]
    assert not any(t.external_data for t in model.graph.initializer)
    graph = model.graph
    noted = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output)
    assert not any(item.metadata_props or item.doc_string for item in noted)


def test_network_is_at_least_16_units_and_fits_an_atmega328p() -> None:
    model = onnx.load_model(str(EXAMPLE / "activity.onnx"))
    (gru,) = (n for n in model.graph.node if n.op_type == "GRU")
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    units = weights[gru.input[2]].shape[-1]
    assert 16 <= units <= 24
    assert sum(w.size for w in weights.values()) < 8 * 1024
    # Plain rounding to 8 bits per row must not be spoiled by a few large weights.
    for name in (gru.input[1], gru.input[2]):
        rows = np.abs(weights[name][0])
        assert (rows.max(axis=1) / np.sqrt((rows**2).mean(axis=1))).max() < 6.0


def test_committed_files_stay_small() -> None:
    names = ("activity.onnx", "sensor.json", "calibration.npz", "windows.npz")
    assert sum((EXAMPLE / name).stat().st_size for name in names) < 400 * 1024


def test_the_model_knows_the_windows_and_takes_any_length() -> None:
    windows = arrays("windows.npz")
    predicted = logits_of(windows["x"]).argmax(axis=1)
    # Far above the 1 in 7 of guessing; the windows were not chosen by result (README.md).
    assert np.mean(predicted == windows["y"]) > 0.6
    assert logits_of(windows["x"][:1, :40]).shape == (1, 7)


def test_rnn2c_imports_the_model_as_it_is() -> None:
    model = load(EXAMPLE / "activity.onnx", cross_check=False)
    assert [(port.name, port.size, port.rate) for port in model.inputs] == [("x", 6, "step")]
    assert {port.name: model.rates()[port.value] for port in model.outputs} == {
        "logits": "sequence"
    }
    windows = arrays("windows.npz")["x"]
    imported = np.stack([model.run({"x": window})["logits"] for window in windows])
    np.testing.assert_allclose(imported, logits_of(windows), rtol=0, atol=1e-4)


def test_calibration_is_labelled_in_the_same_order_of_classes() -> None:
    calibration = arrays("calibration.npz")
    assert np.mean(logits_of(calibration["x"]).argmax(axis=1) == calibration["y"]) > 0.8


def test_a_data_file_with_another_hash_is_never_unpickled(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    bad = tmp_path / "watch_dataset.npy"
    bad.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ValueError, match="not watch_dataset"):
        dataset.held_out(bad)
    assert not (tmp_path / "executed").exists()


def test_cut_windows_covers_a_recording_and_drops_the_rest() -> None:
    ramp = np.repeat(np.arange(260, dtype=np.int16)[:, None], 6, axis=1)
    recordings = [dataset.Recording(4, 8, 3, ramp), dataset.Recording(7, 9, 1, ramp[:150])]
    counts, labels, numbers = dataset.cut_windows(recordings, 50)
    assert counts[:, 0, 0].tolist() == [0, 50, 100, 0]
    assert counts[:, -1, 5].tolist() == [149, 199, 249, 149]
    assert labels.tolist() == [3, 3, 3, 1]
    assert numbers.tolist() == [4, 4, 4, 7]


def test_recording_accuracy_is_the_vote_of_its_windows() -> None:
    numbers = np.array([1, 1, 1, 2, 2])
    labels = np.array([5, 5, 5, 2, 2])
    assert dataset.recording_accuracy(np.array([5, 5, 0, 6, 2]), labels, numbers) == 1.0
    assert dataset.recording_accuracy(np.array([5, 0, 0, 2, 2]), labels, numbers) == 0.5


def run_demo(folder: Path, step_code: int, *options: str) -> subprocess.CompletedProcess[str]:
    """demo.c with the stand-in model on this machine, the windows out of make_windows.py."""
    for name, text in (("har.h", FAKE_HEADER), ("har.c", FAKE_MODEL), ("main.c", FAKE_MAIN)):
        (folder / name).write_text(text, encoding="ascii")
    script = str(EXAMPLE / "make_windows.py")
    subprocess.run([sys.executable, script, str(folder / "windows.h"), *options], check=True)
    sources = [str(folder / "har.c"), str(folder / "main.c"), str(EXAMPLE / "demo.c")]
    includes = [f"-I{folder}", f"-I{EXAMPLE}", f"-DSTEP_CODE={step_code}"]
    program = str(folder / "demo")
    subprocess.run(["gcc", *STRICT, *includes, *sources, "-o", program], check=True)
    return subprocess.run([program], capture_output=True, text=True, check=False)


def test_demo_feeds_every_sample_in_order_and_takes_the_first_largest_logit(
    tmp_path: Path,
) -> None:
    windows = arrays("windows.npz")
    result = run_demo(tmp_path, 1)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    samples = [line.split()[2:] for line in lines if line.startswith("sample")]
    fed = np.array(samples, np.int64).reshape(21, 150, 6)
    np.testing.assert_array_equal(fed, windows["counts"])
    answers = [line for line in lines if line.startswith("window")]
    expected = [
        f"window {i}: FEL, right" if label == 2 else f"window {i}: FEL, wrong, it is {name}"
        for i, (label, name) in enumerate(
            zip(windows["y"], windows["classes"][windows["y"]], strict=True)
        )
    ]
    assert answers == expected
    assert lines[-1] == "3 of 21 windows right"


def test_demo_on_a_subset_carries_the_first_window_of_each_class(tmp_path: Path) -> None:
    windows = arrays("windows.npz")
    result = run_demo(tmp_path, 1, "--per-class", "1", "--classes", "4")
    samples = [line.split()[2:] for line in result.stdout.splitlines() if line[:6] == "sample"]
    first = [int(np.flatnonzero(windows["y"] == label)[0]) for label in range(4)]
    fed = np.array(samples, np.int64).reshape(4, 150, 6)
    np.testing.assert_array_equal(fed, windows["counts"][sorted(first)])


def test_demo_stops_at_the_first_refused_call(tmp_path: Path) -> None:
    result = run_demo(tmp_path, -2)
    assert result.returncode == 9
    assert result.stdout.count("sample") == 1
    assert result.stdout.endswith("the model refused a call\n")


def test_held_out_set_is_rebuilt_and_contains_the_committed_windows() -> None:
    x, y, numbers = dataset.held_out(dataset.DEFAULT_DATA)
    assert x.shape == (len(y), 150, 6)
    assert x.dtype == np.float32
    assert len(np.unique(numbers)) == 42
    at = {window.tobytes(): label for window, label in zip(x, y, strict=True)}
    windows = arrays("windows.npz")
    assert [at[w.tobytes()] for w in windows["x"]] == windows["y"].tolist()


def test_calibration_and_normalisation_come_from_training_subjects_only() -> None:
    recordings = dataset.load_recordings(dataset.DEFAULT_DATA)
    training = dataset.of_subjects(recordings, dataset.TRAIN_SUBJECTS)
    counts, labels, _ = dataset.cut_windows(training, 50)
    sensor = dataset.read_sensor()
    at = {w.tobytes(): label for w, label in zip(sensor.normalise(counts), labels, strict=True)}
    calibration = arrays("calibration.npz")
    assert [at[w.tobytes()] for w in calibration["x"]] == calibration["y"].tolist()
    samples = np.concatenate([r.counts for r in training]).astype(np.float64)
    np.testing.assert_allclose(sensor.scale, 1.0 / samples.std(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(sensor.offset, np.rint(samples.mean(axis=0)))
