"""--max-steps on the command line: refused without, stated in every report with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from small_onnx import Run, gru

import rnn2c


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """GRU 3 -> 5 in both directions; h at every step."""
    proto = gru(3, 5)
    node = proto.graph.node[0]
    node.attribute.append(helper.make_attribute("direction", "bidirectional"))
    node.output[0] = "y"
    for tensor in proto.graph.initializer:
        array = numpy_helper.to_array(tensor)
        twice = np.concatenate([array, -0.7 * array])
        tensor.CopyFrom(numpy_helper.from_array(twice, tensor.name))
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("y", 1, None))
    path = tmp_path / "both.onnx"
    onnx.save(proto, path)
    return path


def test_without_it_build_refuses_in_one_line(cli: Run, both: Path, calib: Path) -> None:
    done = cli("build", both, "--calib", calib)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "layer 'gru1' runs in reverse and needs the whole sequence: give --max-steps N" in line


def test_a_model_that_streams_refuses_it(cli: Run, model: Path, calib: Path) -> None:
    done = cli("build", model, "--calib", calib, "--max-steps", "9")
    assert done.returncode == 2
    assert "this model runs step by step, over any number of steps; leave it out" in done.stderr


def test_build_verify_and_bench(cli: Run, both: Path, calib: Path) -> None:
    common = (both, "--calib", calib, "--max-steps", "10", "--json")
    built = json.loads(cli("build", *common, "-o", "out").stdout)
    assert built["max_steps"] == 10
    assert built["window_bytes"] % 10 == 0 < built["window_bytes"]
    report = json.loads(cli("verify", *common).stdout)
    assert report["bit_exact"] is True
    counted = json.loads(cli("bench", *common, "--target", "cortex-m4").stdout)
    assert counted["finish"]["steps"] == 10
    assert counted["finish"]["macs_per_step"] == 3 * 5 * (3 + 5)


def test_a_sequence_too_long_is_refused(cli: Run, both: Path, calib: Path) -> None:
    done = cli("verify", both, "--calib", calib, "--max-steps", "9")
    assert done.returncode == 2
    assert "a sequence has 10 steps, the program was built for at most 9" in done.stderr


def test_inspect_says_what_runs_where_and_what_a_step_costs(cli: Run, both: Path) -> None:
    record = json.loads(cli("inspect", both, "--json").stdout)
    assert record["waits_for_the_sequence"] == ["gru1"]
    assert record["macs_per_step"] == record["macs_per_step_in_finish"] == 3 * 5 * (3 + 5)
    assert record["memory"][-1]["per_step"] == 4 * 3
    text = cli("inspect", both).stdout
    assert "every step, in finish: needs the whole sequence, --max-steps N" in text
    assert "and of every step of a sequence" in text


def test_the_python_api_takes_it(both: Path) -> None:
    program = rnn2c.compile(rnn2c.load(both), max_steps=6)
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    wanted = rnn2c.load(both).run({"x": x})
    got = program.run({"x": x})
    assert all(np.abs(got[n] - wanted[n]).max() < 1e-5 for n in wanted)
