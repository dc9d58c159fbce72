"""rnn2c inspect: sizes and warnings without calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import numpy_helper
from small_onnx import Run, gru


def test_inspect_agrees_with_what_build_says(cli: Run, model: Path, calib: Path) -> None:
    record = json.loads(cli("inspect", model, "--json").stdout)
    built = json.loads(cli("build", model, "--calib", calib, "--json", "-o", "out").stdout)
    assert record["macs_per_step"] == built["macs"] == 3 * 5 * (3 + 5)
    (int8, int4, float32) = record["memory"]
    assert (int8["weights"], int8["state"]) == (
        built["flash_bytes"]["weights"],
        built["ram_bytes"]["total"],
    )
    assert int4["weights"] < int8["weights"] < float32["weights"] <= 4 * record["parameters"]
    assert record["cross_checked"] is True
    assert record["inputs"] == [{"name": "x", "size": 3, "rate": "step", "tokens": 0}]
    assert record["outputs"] == [{"name": "h", "size": 5, "rate": "sequence"}]
    assert record["warnings"] == []


def test_inspect_for_people(cli: Run, model: Path, tmp_path: Path) -> None:
    done = cli("inspect", model)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "150 parameters, 120 multiply-accumulates a step, 0 a sequence",
        "agrees with onnxruntime",
        "x [3] per step",
        "h [5] per sequence",
        "gru0: Gru 3 -> 5",
        "once per sequence, in finish",
    ):
        assert words in done.stdout
    assert not list((tmp_path / "work").iterdir())


def test_inspect_warns(cli: Run, tmp_path: Path) -> None:
    proto = gru(3, 5)
    w = numpy_helper.to_array(proto.graph.initializer[0]).copy()
    w[0, 4] = 0
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(w.astype(np.float32), "W"))
    path = tmp_path / "dead.onnx"
    path.write_bytes(proto.SerializeToString())
    done = cli("inspect", path, "--no-crosscheck")
    assert "warning   layer 'gru0': w_ih: 1 of 15 rows are zero" in done.stdout
    assert "not cross-checked" in done.stdout


def test_inspect_refuses_in_one_line(cli: Run) -> None:
    done = cli("inspect", "none.onnx", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "no such file" in line


def test_inspect_says_how_wide_sums_are_and_what_other_widths_would_take(
    cli: Run, model: Path, calib: Path
) -> None:
    arguments = ("inspect", model, "--target", "atmega328p", "--calib", calib)
    (stage,) = json.loads(cli(*arguments, "--json").stdout)["sums"]
    assert (stage["bits"], 2**15 <= stage["largest"] < 2**23) == (24, True)
    narrow, chosen, wide = stage["choices"]
    assert [c["bits"] for c in stage["choices"]] == [16, 24, 32]
    assert narrow["cycles"] < chosen["cycles"]
    assert (wide["cycles"], wide["weight_bytes"]) == (None, None)
    assert narrow["weight_bytes"] == 3 * 5 * (3 + 5) + 2 * 4 * 5
    assert chosen["weight_bytes"] == narrow["weight_bytes"] + 4 * 5
    assert narrow["excess"] == stage["largest"] / (2**15 - 1)
    assert chosen["excess"] == wide["excess"] == 1
    text = cli(*arguments).stdout
    assert f"24 bits, as the largest sum that can be is {stage['largest']}" in text
    assert "--sum-width int16" in text


def test_inspect_of_sums_where_width_is_no_choice(cli: Run, model: Path) -> None:
    done = cli("inspect", model, "--target", "cortex-m4")
    assert "sums      have 32 bits on cortex-m4" in done.stdout
    assert json.loads(cli("inspect", model, "--json").stdout)["sums"] == []


def test_inspect_takes_calibration_for_a_target_only(cli: Run, model: Path, calib: Path) -> None:
    done = cli("inspect", model, "--calib", calib)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--calib is of use with --target only" in done.stderr
