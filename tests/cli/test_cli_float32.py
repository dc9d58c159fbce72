"""--precision float32: needs no calibration, and refuses what decides integers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_onnx import Run


def test_build_needs_no_calibration(cli: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = cli("build", model, "--precision", "float32", "--target", "cortex-m4", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(p.name for p in out.iterdir()) == ["small.c", "small.h", "small_selftest.c"]
    assert "profile float32" in done.stdout
    assert "proof    none, it computes in float32, 120 multiply-accumulates" in done.stdout


def test_from_raw_takes_counts_to_floats(cli: Run, model: Path, tmp_path: Path) -> None:
    scale = ("--input-scale", "0.5", "--input-offset", "3")
    done = cli("build", model, "--precision", "float32", *scale, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert "small_affine_f32(raw[k], offset, scale)" in (tmp_path / "out/small.c").read_text()


@pytest.mark.parametrize(
    ("stage", "word"), [("fused", "Gru"), ("program", "sigmoid_f32"), ("c", "expf(")]
)
def test_stages(cli: Run, model: Path, stage: str, word: str) -> None:
    done = cli("build", model, "--precision", "float32", "--no-crosscheck", "--emit", stage)
    assert done.returncode == 0
    assert word in done.stdout


def test_verify_says_how_far_it_is_off(cli: Run, model: Path, calib: Path) -> None:
    options = ("--precision", "float32", "--target", "cortex-m4")
    done = cli("verify", model, *options, "--data", calib, "--json")
    record = json.loads(done.stdout)
    assert done.returncode == 0
    assert record["precision"] == "float32"
    assert record["agrees"] is True
    assert 0 <= record["max_error"] <= record["tolerance"] == 1e-5
    assert record["bit_exact"] is (record["max_error"] == 0)
    assert record["first_mismatch"] is None
    assert (record["sequences"], record["steps"]) == (8, 4 * 10 + 4 * 16)
    done = cli("verify", model, *options)
    assert done.returncode == 0
    assert "4 sequences (4 of them extreme inputs), 64 steps: within 1e-05" in done.stdout


def test_bench_measures_noise_where_no_data_is_given(cli: Run, model: Path) -> None:
    options = ("--precision", "float32", "--target", "cortex-m4")
    assert "without libm and the compiler's float routines" in cli(
        "bench", model, *options
    ).stdout  # fmt: skip
    record = json.loads(cli("bench", model, *options, "--json").stdout)
    assert record["step"]["macs"] == 120
    assert record["step"]["instructions"] > 0
    assert record["flash_bytes"]["weights"] == 4 * (120 + 4 * 5)


@pytest.mark.parametrize(
    "option",
    ["--weights int8", "--activations int16", "--profile compact", "--accumulate joint",
     "--observer minmax", "--percentile 99", "--calib {calib}"],
)  # fmt: skip
def test_options_of_integers_are_refused(
    cli: Run, model: Path, calib: Path, tmp_path: Path, option: str
) -> None:
    words = option.format(calib=calib).split()
    done = cli("build", model, "--precision", "float32", *words)
    assert done.returncode == 2
    assert f"{words[0]} decides integers; leave it out, or --precision float32" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "work").iterdir())


def test_the_quantized_stage_does_not_exist(cli: Run, model: Path) -> None:
    done = cli("build", model, "--precision", "float32", "--emit", "quantized")
    assert done.returncode == 2
    assert "--emit quantized: there is no such stage with --precision float32" in done.stderr


def test_data_beyond_float32_is_refused(cli: Run, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    np.savez(path, x=np.full((1, 2, 3), 1e39))
    done = cli("verify", model, "--precision", "float32", "--data", path)
    assert done.returncode == 2
    assert "input 'x' holds NaN or infinity" in done.stderr
