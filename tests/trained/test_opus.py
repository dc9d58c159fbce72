"""The speech/music network of Opus, int8 as it was published: against its own C, and on a chip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from opus_network import INPUTS, arrays, opus_model, run_opus

import rnn2c
from rnn2c.ir.program import Program

X = np.random.default_rng(0).normal(size=(120, INPUTS)).astype(np.float32)


def test_the_float_model_is_what_its_own_c_computes(tmp_path: Path) -> None:
    np.testing.assert_allclose(opus_model().run({"x": X})["y"], run_opus(X, tmp_path), atol=1e-5)


def integers(target: str) -> Program:
    rng = np.random.default_rng(1)
    sequences = [{"x": rng.normal(size=(60, INPUTS))} for _ in range(4)]
    return rnn2c.compile(rnn2c.quantize(opus_model(), sequences), target)


def test_its_integers_are_the_weights_of_the_program() -> None:
    """-128 .. 127 as they are: nothing was rounded a second time."""
    held = {n: np.sort(a) for n, a in arrays().items() if n.endswith("weights")}
    program = integers("host")
    found = [np.sort(np.concatenate([m.ravel() for m in w.matrices])) for w in program.weights]
    together = [
        held["layer0_weights"],
        np.sort(np.concatenate([held["layer1_weights"], held["layer1_recur_weights"]])),
        held["layer2_weights"],
    ]
    assert np.array_equal(np.sort(np.concatenate(found)), np.sort(np.concatenate(together)))


@pytest.mark.parametrize("target", ["cortex-m4"])
def test_on_a_chip(target: str, tmp_path: Path) -> None:
    program = integers(target)
    wanted, got = run_opus(X, tmp_path), program.run({"x": X})["y"]
    assert np.array_equal(wanted > 0.5, got > 0.5)
    assert np.abs(wanted - got).max() < 0.05
    assert rnn2c.verify(program, [{"x": X[:6]}]).bit_exact
