"""A part of an ONNX graph between named tensors: what it computes, and what is never looked at."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from cut_models import FEATURES, UNITS, info, save, surrounded, tensors_of
from onnx import TensorProto, helper

import rnn2c
from rnn2c.cli import main
from rnn2c.errors import Rnn2cError
from rnn2c.frontend.onnx_cut import cut
from rnn2c.frontend.part import Part

FORMS = {
    "in the middle": (("features",), ("scores",)),
    "two ends": (("features",), ("scores", "final")),
    "an inner tensor is an end too": (("features",), ("seq", "scores")),
    "the tail alone": (("seq",), ("scores",)),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_part_computes_what_the_whole_does_there(form: str, tmp_path: Path) -> None:
    start, end = FORMS[form]
    whole = surrounded()
    model = rnn2c.load(save(whole, tmp_path), from_=start, to=end)
    assert model.cross_check.startswith("agrees with onnxruntime")
    assert [i.name for i in model.inputs] == list(start)
    assert [o.name for o in model.outputs] == list(end)
    tensors = tensors_of(whole, [*start, *end])
    flat = {n: a.reshape(len(a), -1) for n, a in tensors.items()}
    got = model.run({n: flat[n] for n in start})
    for name in end:
        np.testing.assert_allclose(got[name], flat[name].reshape(got[name].shape), atol=1e-5)


def test_what_is_given_is_not_computed_as_well() -> None:
    """The GRU is needed for one of its results; the other one is an input."""
    made = cut(surrounded(), Part(("features", "all"), ("seq", "final")))
    assert [list(n.output) for n in made.graph.node] == [["", "final"], ["seq"]]
    onnx.shape_inference.infer_shapes(made, check_type=True, strict_mode=True)


def test_one_side_may_be_left_open(tmp_path: Path) -> None:
    whole = surrounded()
    del whole.graph.node[-2:]
    whole.graph.ClearField("output")
    whole.graph.output.append(info("scores", ["T", 1, 2]))
    path = save(whole, tmp_path)
    assert [o.name for o in rnn2c.load(path, from_="features").outputs] == ["scores"]
    whole = surrounded()
    whole.graph.node[0].CopyFrom(helper.make_node("Relu", ["signal"], ["raw"]))
    model = rnn2c.load(save(whole, tmp_path), to="scores")
    assert [i.name for i in model.inputs] == ["signal"]


def test_what_lies_outside_is_never_looked_at(tmp_path: Path) -> None:
    """Unknown operators, weights that are not numbers or lie in other files, wrong attributes."""
    whole = surrounded("Unheard", value_info=True)
    outside = next(t for t in whole.graph.initializer if t.name == "outside")
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    whole.graph.node[5].attribute.append(helper.make_attribute("nonsense", 1))
    with pytest.raises(Rnn2cError):
        rnn2c.load(save(whole, tmp_path))
    model = rnn2c.load(save(whole, tmp_path), from_="features", to="scores")
    assert model.sizes()["features"] == FEATURES


def test_graph_inputs_that_the_part_reads_stay_inputs(tmp_path: Path) -> None:
    whole = surrounded()
    whole.graph.input.append(info("h0", [1, 1, UNITS]))
    whole.graph.node[2].input.extend(["", "h0"])
    model = rnn2c.load(save(whole, tmp_path), from_="features", to="scores")
    assert [(i.name, i.rate) for i in model.inputs] == [("features", "step"), ("h0", "sequence")]


def test_a_shape_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    whole = surrounded("Unheard")
    whole.graph.node[1].CopyFrom(
        helper.make_node("Unheard", ["raw", "outside"], ["features"], domain="vendor")
    )
    path = save(whole, tmp_path)
    with pytest.raises(Rnn2cError, match=r"'features'.*not known.*--shape features=1,T,128"):
        rnn2c.load(path, from_="features", to="scores")
    shape = {"features": ("T", 1, FEATURES)}
    model = rnn2c.load(path, from_="features", to="scores", shapes=shape)
    assert model.cross_check.startswith("agrees with onnxruntime")


def test_a_given_shape_replaces_that_of_the_file(tmp_path: Path) -> None:
    whole = surrounded()
    whole.graph.node[0].CopyFrom(helper.make_node("Relu", ["signal"], ["raw"]))
    del whole.graph.node[-2:]
    whole.graph.ClearField("output")
    whole.graph.output.append(info("scores", None))
    whole.graph.input[0].CopyFrom(info("signal", ["T", 1, "F"]))
    path = save(whole, tmp_path)
    with pytest.raises(Rnn2cError, match="fixed feature size"):
        rnn2c.load(path)
    model = rnn2c.load(path, shapes={"signal": ["T", 1, 4]})
    assert model.cross_check.startswith("agrees with onnxruntime")


REFUSED = {
    "no such start": (("featurs",), (), r"--from 'featurs': no tensor.*near: 'features'"),
    "no such end": ((), ("SCORE",), r"--to 'SCORE': no tensor is called so; near: 'scores'"),
    "nothing like it": (("?" * 500,), (), "near: none"),
    "a constant": (("W",), ("scores",), "--from 'W': is a constant of the graph"),
    "start behind the end": (("late",), ("scores",), "--from 'late': the tensors of --to do not"),
    "twice": (("seq", "seq"), ("scores",), "--from: 'seq' is given twice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_names_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    start, end, message = REFUSED[case]
    with pytest.raises(Rnn2cError, match=message) as caught:
        rnn2c.load(save(surrounded(), tmp_path), from_=start, to=end)
    assert "\n" not in str(caught.value)


def test_a_tensor_that_two_nodes_make_is_refused(tmp_path: Path) -> None:
    whole = surrounded()
    whole.graph.node[5].output[0] = "scores"
    with pytest.raises(Rnn2cError, match="'scores' is defined a second time"):
        rnn2c.load(save(whole, tmp_path), from_="features", to="scores")


def test_a_graph_that_reads_itself_is_refused(tmp_path: Path) -> None:
    whole = surrounded()
    whole.graph.node[0].CopyFrom(helper.make_node("Relu", ["scores"], ["raw"]))
    with pytest.raises(Rnn2cError, match="'scores', which nothing before it defines"):
        rnn2c.load(save(whole, tmp_path), to="scores")


def test_commands_take_a_part(tmp_path: Path) -> None:
    path = save(surrounded(), tmp_path)
    part = ["--from", "features", "--to", "scores,final"]
    done = CliRunner().invoke(main, ["inspect", str(path), *part, "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.output)
    assert [i["name"] for i in record["inputs"]] == ["features"]
    assert record["cross_checked"]
    for command, more in (("build", ["--out", str(tmp_path / "c")]), ("verify", [])):
        arguments = [command, str(path), *part, "--precision", "float32", *more]
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "c" / "net.h").is_file()


BAD_OPTIONS = {
    "no equals": (["--state", "h"], "--state 'h': give IN=OUT"),
    "no shape": (["--shape", "features=0,3"], "--shape 'features': give sizes as 1,T,128"),
    "state twice": (["--state", "h=a", "--state", "h=b"], "--state: 'h' is given twice"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_malformed_options_are_refused(case: str, tmp_path: Path) -> None:
    options, message = BAD_OPTIONS[case]
    done = CliRunner().invoke(main, ["inspect", str(save(surrounded(), tmp_path)), *options])
    assert done.exit_code == 2
    assert message in done.output


def test_keras_and_modules_are_not_cut(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(Rnn2cError, match=r"go with an \.onnx file"):
        rnn2c.load(tmp_path / "net.h5", from_="x")


def test_many_long_names_are_searched_quickly(tmp_path: Path) -> None:
    """The search for near names is bounded: 19 000 nodes with names of 400 characters."""
    model = onnx.ModelProto(ir_version=8)
    model.opset_import.append(helper.make_opsetid("", 17))
    names = ["x", *(f"t{'n' * 400}{k}" for k in range(19_000))]
    for before, after in pairwise(names):
        model.graph.node.append(helper.make_node("Relu", [before], [after]))
    model.graph.input.append(info("x", [1, 5, 3]))
    model.graph.output.append(info(names[-1], [1, 5, 3]))
    with pytest.raises(Rnn2cError, match="no tensor is called so"):
        rnn2c.load(save(model, tmp_path), to="t" + "m" * 400)
