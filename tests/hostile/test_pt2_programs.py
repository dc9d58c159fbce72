"""Programs in files of torch.export.save that were made to do harm: one line, nothing runs."""

from __future__ import annotations

from typing import Any

import pytest
from pt2_changes import PROGRAM, Change, archived, argument, node, refused, with_json


def test_expressions_are_not_evaluated(limited, held) -> None:
    for text in (
        "__import__('os').mkdir('CANARY')",
        "2*s0",
        "Symbol('s0')+1",
        "s0.x",
        "",
        "S" * 99,
    ):
        size = {"as_expr": {"expr_str": text, "hint": None}}

        def change(program: Any, size=size) -> None:
            graph = program["graph_module"]["graph"]
            graph["tensor_values"]["x"]["sizes"][1] = size

        line = refused(limited, held, with_json(held, PROGRAM, change))
        assert "input 'x': a dimension is the expression" in line
        assert "torch.export.Dim" in line
    guards = with_json(held, PROGRAM, lambda p: p.update(guards_code=["os.mkdir('CANARY')"]))
    data = archived({**held, **guards})
    assert limited.run("inspect", limited.model(data, "g.pt2"), "--no-crosscheck").code == 0
    assert not list(limited.case.parent.rglob("CANARY"))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("torch.ops.higher_order.cond", "no operator of aten"),
        ("torch.ops.aten.linear.default.__class__", "no operator of aten"),
        ("torch.ops.mine.linear.default", "no operator of aten"),
        ("torch.load", "no operator of aten"),
        ("os.system", "no operator of aten"),
        ("_operator.mul", "no operator of aten"),
        ("", "no operator of aten"),
        ("torch.ops.aten.from_file.default", "this operator is not supported"),
        ("torch.ops.aten.__init__.default", "this operator is not supported"),
        ("torch.ops.aten.linear.out", "argument out is not supported"),
    ],
)
def test_only_operators_of_the_table(target: str, words: str, limited, held) -> None:
    def change(program: Any) -> None:
        call = node(program, "linear.default")
        call["target"] = target
        if target.endswith(".out"):
            call["inputs"].append({"name": "out", "arg": {"as_tensor": {"name": "x"}}, "kind": 2})

    line = refused(limited, held, with_json(held, PROGRAM, change))
    assert words in line


PROGRAMS: dict[str, tuple[Change, str]] = {
    "another schema": (lambda p: p["schema_version"].update(major=9), "version '9' of PyTorch's"),
    "no schema": (lambda p: p.pop("schema_version"), "version 'None' of PyTorch's schema"),
    "no graph": (lambda p: p["graph_module"].pop("graph"), "damaged at its start (KeyError)"),
    "nodes are no list": (
        lambda p: p["graph_module"]["graph"].update(nodes={}),
        "damaged at its inputs (ValueError)",
    ),
    "a node is a number": (
        lambda p: p["graph_module"]["graph"]["nodes"].insert(0, 7),
        "damaged at node 0 (TypeError)",
    ),
    "too many nodes": (
        lambda p: p["graph_module"]["graph"].update(nodes=[0] * 20_001),
        "more than 20000 nodes",
    ),
    "the same node twice": (
        lambda p: p["graph_module"]["graph"]["nodes"].append(node(p, "linear.default")),
        "damaged at node",
    ),
    "reads a later node": (
        lambda p: p["graph_module"]["graph"]["nodes"].reverse(),
        "damaged at node 0 (ValueError)",
    ),
    "a subgraph": (
        lambda p: argument(p, "linear.default", "bias").update(as_graph={}, as_tensor=None),
        "damaged at node",
    ),
    "a custom object": (
        lambda p: node(p, "linear.default")["inputs"][0].update(arg={"as_custom_obj": {}}),
        "an argument of kind 'as_custom_obj', which is not supported",
    ),
    "changes a buffer": (
        lambda p: p["graph_module"]["signature"].update(output_specs=[{"buffer_mutation": {}}]),
        "changes a buffer or an input while it runs ('buffer_mutation')",
    ),
    "an input that is a token": (
        lambda p: p["graph_module"]["signature"]["input_specs"].__setitem__(-1, {"token": {}}),
        "an input of kind 'token' is not supported",
    ),
    "weights in another order": (
        lambda p: p["graph_module"]["signature"]["input_specs"].insert(
            0, p["graph_module"]["signature"]["input_specs"].pop(1)
        ),
        "damaged at its inputs (ValueError)",
    ),
    "a weight that is not there": (
        lambda p: p["graph_module"]["signature"]["input_specs"][0]["parameter"].update(
            parameter_name="nothing"
        ),
        "damaged at its inputs (KeyError)",
    ),
    "a huge number of steps": (
        lambda p: p["graph_module"]["graph"]["tensor_values"]["x"]["sizes"].__setitem__(
            1, {"as_int": 2**40}
        ),
        "more than 65536 steps",
    ),
    "half precision": (
        lambda p: p["graph_module"]["graph"]["tensor_values"]["x"].update(dtype=6),
        "input 'x': type float16; use float32",
    ),
    "a huge constant": (
        lambda p: argument(p, "zeros.default", "size").update(as_ints=[2**40, 2**20, 4]),
        "at most 4194304 are folded",
    ),
    "a text for a number": (
        lambda p: node(p, "select.int")["inputs"][2].update(arg={"as_string": "*/"}),
        "(aten.select.int, module ''): its arguments do not fit the operator (ValueError)",
    ),
    "a missing argument": (lambda p: node(p, "linear.default").update(inputs=[]), "argument input"),
    "names of a mile": (
        lambda p: node(p, "linear.default")["outputs"][0]["as_tensor"].update(name="a" * 5000),
        "damaged at node",
    ),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_programs(case: str, limited, held) -> None:
    change, words = PROGRAMS[case]
    assert words in refused(limited, held, with_json(held, PROGRAM, change))
