"""Archives of torch.export.save that were made or damaged to do harm: one line, nothing runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import zipfile
from typing import Any

import pytest
import torch
from pt2_changes import PROGRAM, WEIGHTS, Change, archived, refused, with_json
from torch import nn


class Evil:
    """Unpickling one of these leaves a folder behind."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("CANARY",)


def test_no_pickle_in_it_is_opened(limited, held) -> None:
    evil = pickle.dumps(Evil())
    saved = io.BytesIO()
    torch.save(Evil(), saved)

    def pickled(config: Any) -> None:
        config["config"]["rnn.weight_ih_l0"]["use_pickle"] = True

    def custom(config: Any) -> None:
        item = {"path_name": "custom_obj_0", "is_param": False, "use_pickle": True}
        config["config"]["thing"] = {**item, "tensor_meta": None}

    constants = "data/constants/model_constants_config.json"
    weights = with_json(held, WEIGHTS, pickled) | {"data/weights/weight_0": saved.getvalue()}
    things = with_json(held, constants, custom) | {"data/constants/custom_obj_0": evil}
    for change, name in ((weights, "rnn.weight_ih_l0"), (things, "thing")):
        line = refused(limited, held, change)
        assert f"tensor '{name}' is pickled; only plain tensors are read" in line
    for legacy in ("data/weights/model.pt", "data/constants/model.pt"):
        line = refused(limited, held, {legacy: saved.getvalue()})
        assert "its tensors are a pickle" in line
        assert "export the module again" in line
    sample = archived({**held, "data/sample_inputs/model.pt": saved.getvalue()})
    done = limited.run("inspect", limited.model(sample, "model.pt2"), "--no-crosscheck")
    assert (done.code, done.err) == (0, "")
    assert not list(limited.case.parent.rglob("CANARY"))


def meta(config: Any) -> Any:
    return config["config"]["rnn.weight_ih_l0"]["tensor_meta"]


def sizes(*numbers: int) -> list[dict[str, int]]:
    return [{"as_int": n} for n in numbers]


TENSORS: dict[str, tuple[Change, str]] = {
    "float16": (
        lambda c: meta(c).update(dtype=6),
        "type float16; convert the module with .float()",
    ),
    "bfloat16": (lambda c: meta(c).update(dtype=13), "has type bfloat16"),
    "float64": (lambda c: meta(c).update(dtype=8), "has type float64"),
    "int32": (lambda c: meta(c).update(dtype=4), "has type int32; parameters must be float32"),
    "no type": (lambda c: meta(c).update(dtype=99), "has type number 99"),
    "too large": (lambda c: meta(c).update(sizes=sizes(12, 200)), "needs"),
    "negative": (lambda c: meta(c).update(sizes=sizes(-12, 2)), "is described wrongly"),
    "expanded": (
        lambda c: meta(c).update(sizes=sizes(2**20, 4), strides=sizes(0, 0)),
        "needs 4194304 elements, the file holds 18",
    ),
    "endless": (
        lambda c: meta(c).update(sizes=sizes(*[2**10] * 8), strides=sizes(*[0] * 8)),
        "too large",
    ),
    "rank": (lambda c: meta(c).update(sizes=sizes(*[1] * 60), strides=sizes(*[1] * 60)), "large"),
    "offset": (lambda c: meta(c).update(storage_offset={"as_int": 1}), "needs 19 elements"),
    "negative offset": (
        lambda c: meta(c).update(storage_offset={"as_int": -1}),
        "is described wrongly",
    ),
    "stride": (lambda c: meta(c).update(strides=sizes(2**40, 1)), "elements, the file holds 18"),
    "negative stride": (lambda c: meta(c).update(strides=sizes(-2, 1)), "is described wrongly"),
    "symbol": (lambda c: meta(c)["sizes"].__setitem__(0, {"as_expr": {}}), "is described wrongly"),
    "path": (
        lambda c: c["config"]["rnn.weight_ih_l0"].update(path_name="../../../../etc/passwd"),
        "has no member 'model/data/weights/../../../../etc/passwd'",
    ),
    "absolute path": (
        lambda c: c["config"]["rnn.weight_ih_l0"].update(path_name="/etc/passwd"),
        "has no member",
    ),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors(case: str, limited, held) -> None:
    change, words = TENSORS[case]
    assert words in refused(limited, held, with_json(held, WEIGHTS, change))


def test_weights_must_be_finite(limited, held) -> None:
    data = b"\x00\x00\xc0\x7f" * 18
    line = refused(limited, held, {"data/weights/weight_0": data})
    assert "tensor 'rnn.weight_ih_l0': element [0, 0] is nan; weights must be finite" in line


def test_archives(limited, held) -> None:
    assert "is compressed" in refused(limited, held, {}, compression=zipfile.ZIP_DEFLATED)
    assert "not little-endian" in refused(limited, held, {"byteorder": b"big"})
    assert "has no member 'model/data/weights/weight_1'" in refused(
        limited, held, {"data/weights/weight_1": None}
    )
    assert "holds 0 programs" in refused(limited, held, {PROGRAM: None})
    assert "holds 2 programs" in refused(limited, held, {"models/b.json": held[PROGRAM]})
    assert "damaged" in refused(limited, held, {PROGRAM: held[PROGRAM][:-9]})
    assert "damaged" in refused(limited, held, {PROGRAM: b"\xff\xfe"})
    assert "nested" in refused(limited, held, {PROGRAM: b'{"a":' + b"[" * 10**5})
    assert "a key is repeated" in refused(limited, held, {PROGRAM: b'{"a":1,"a":2}'})
    many = {f"extra/{k}": b"" for k in range(10_001)}
    assert "more than 10000 members" in refused(limited, held, many)
    large = refused(limited, held, {PROGRAM: b" " * (32 * 2**20 + 1)})
    assert "has 33554433 bytes; at most 33554432 are read" in large


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(limited, held) -> None:
    buffer = io.BytesIO(archived(held))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(f"model/{PROGRAM}", b"{}")
    line = limited.refused("build", limited.model(buffer.getvalue(), "model.pt2"))
    assert "two members have the same name" in line


def test_other_kinds_of_pt2(limited, held) -> None:
    line = refused(limited, held, {"data/aotinductor/model/a.so": b"\x7fELF"})
    assert "holds code compiled by AOTInductor; give the program it was compiled from" in line
    old = archived({"serialized_exported_program.json": b"{}"}, folder="")
    line = limited.refused("inspect", limited.model(old, "old.pt2"))
    assert "saved by a PyTorch before 2.8" in line


def test_files_that_are_no_archives(limited, held) -> None:
    data = archived(held)
    for part in (b"", b"PK\x03\x04", pickle.dumps(Evil()), data[:-30], data[: len(data) // 2]):
        line = limited.refused("inspect", limited.model(part, "model.pt2"))
        assert "model.pt2'" in line
    os.mkfifo(limited.case / "pipe.pt2")
    assert "not a regular file" in limited.refused("inspect", limited.case / "pipe.pt2")
    assert "no such file" in limited.refused("inspect", limited.case / "none.pt2")
    saved = io.BytesIO()
    torch.save(nn.GRU(2, 3).state_dict(), saved)
    assert "holds 0 programs" in limited.refused(
        "inspect", limited.model(saved.getvalue(), "w.pt2")
    )


def test_names_in_the_program_never_reach_c(limited, held) -> None:
    """Names of inputs, nodes and outputs and module paths, in all files that are written."""
    text = '*/\n#include "x"\n/*'
    program = held[PROGRAM]
    for name in (b'"x"', b'"linear"', b'"clamp"', b"head,head"):
        assert name in program
        evil = json.dumps(text + name.decode()).encode() if name[:1] == b'"' else b"*/,*/"
        program = program.replace(name, evil)
    program = program.replace(rb"[\"a\", \"b\"]", rb"[\"*/\", \"b\"]")
    path = limited.model(archived({**held, PROGRAM: program}), "n.pt2")
    done = limited.run("build", path, "--precision", "float32", "--no-crosscheck", "-o", "out")
    assert done.code == 0, done.err
    sources = sorted(name for name in done.files if name.endswith(".c"))
    assert sources
    for name in sources:  # fails where the file that is not there is included
        flags = ["-Wall", "-Wextra", "-Werror", "-c", "-o", "/dev/null"]
        subprocess.run(["gcc", *flags, limited.work / name], check=True)
