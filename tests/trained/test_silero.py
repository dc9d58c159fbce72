"""Silero's voice activity detector: its recurrent network and head cut out, with the state.

The front of the network (a spectrum and four convolutions) runs in onnxruntime; the features that
it makes of a sound are the input of the part.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from trained_files import trained

import rnn2c
from rnn2c.cli import main
from rnn2c.ir import graph
from rnn2c.ir.graph import Model

FILE = "silero_vad/data/silero_vad_16k_sequence.onnx"
START, END = "/Transpose_output_0", "speech_probs"
STATE = {"h": "hn", "c": "cn"}
FRAME, UNITS = 576, 128


@cache
def tensors(seed: int, frames: int = 40) -> dict[str, np.ndarray]:
    """START, END and hn of the whole network for a humming, hissing sound of that many frames."""
    proto = onnx.load(trained(FILE))
    proto.graph.output.append(onnx.ValueInfoProto(name=START))
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(seed)
    t = np.arange(frames * 512 + 64) / 16000
    pitch = 120 + 40 * np.sin(2 * np.pi * 3 * t + seed)
    voice = sum(np.sin(2 * np.pi * k * np.cumsum(pitch) / 16000) / k for k in range(1, 12))
    sound = voice * (np.sin(2 * np.pi * 2 * t) > 0) * 0.2 + rng.normal(size=t.size) * 0.01
    frame = np.stack([sound[k * 512 : k * 512 + FRAME] for k in range(frames)])
    zero = np.zeros((1, 1, UNITS), np.float32)
    feeds = {"input": frame.astype(np.float32), "h": zero, "c": zero}
    names = [START, END, "hn"]
    return dict(zip(names, session.run(names, feeds), strict=True))


@cache
def part() -> Model:
    return rnn2c.load(trained(FILE), from_=START, to=END, state=STATE, name="vad")


def test_the_part_is_an_lstm_that_keeps_its_state() -> None:
    model = part()
    assert [(i.name, i.size, i.rate) for i in model.inputs] == [(START, UNITS, "step")]
    assert [o.name for o in model.outputs] == [END]
    (lstm,) = (p for p in model.layers if isinstance(p, graph.Lstm))
    assert (lstm.input_size, lstm.units, lstm.inputs) == (UNITS, UNITS, (START,))
    assert model.cross_check.startswith("agrees with onnxruntime")


def test_it_agrees_with_the_whole_network_on_a_sound() -> None:
    found = tensors(1)
    got = part().run({START: found[START][:, 0]})[END]
    np.testing.assert_allclose(got, found[END].reshape(got.shape), atol=1e-5)
    shown = rnn2c.load(trained(FILE), from_=START, to="hn", state=STATE, cross_check=False)
    last = shown.run({START: found[START][:, 0]})["hn"]
    np.testing.assert_allclose(last, found["hn"].reshape(-1), atol=1e-5)


def test_int8_on_a_cortex_m4() -> None:
    calibration = [{START: tensors(seed)[START][:, 0]} for seed in (2, 3)]
    program = rnn2c.compile(rnn2c.quantize(part(), calibration), "cortex-m4")
    found = tensors(1)
    wanted, x = found[END], found[START][:, 0]
    got = program.run({START: x})[END][:, 0]
    assert np.abs(got - wanted).max() < 0.05
    assert wanted.max() - wanted.min() > 0.5  # voices and pauses
    assert rnn2c.verify(program, [{START: x[:3]}]).bit_exact


def test_the_command_line_builds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "x.npz", **{START: tensors(2)[START][None, :, 0]})
    arguments = ["--from", START, "--to", END, "--state", "h=hn", "--state", "c=cn"]
    more = ["--calib", str(tmp_path / "x.npz"), "--target", "cortex-m4", "--name", "vad"]
    with pytest.raises(SystemExit) as left:
        main(["build", str(trained(FILE)), *arguments, *more, "-o", str(tmp_path / "c")])
    shown = capsys.readouterr()
    assert not left.value.code, shown.err
    assert "vad: LSTM 128 -> 128" in shown.out
    assert "int vad_init(vad_state_t *s);" in (tmp_path / "c" / "vad.h").read_text()
