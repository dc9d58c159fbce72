"""Names out of a file are data: whatever they say, the object code is that of the harmless twin."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hostile_onnx import lstm
from limited import Limited
from seed_models import MODELS, renamed, two_directions

from rnn2c.ir.names import identifier

NAMES = {
    "comment": "*/ int evil = 1; /*",
    "backslash": "a\\",
    "trigraph": "q??/",
    "newline": "l\nint evil;",
    "return": "l\rint evil;",
    "separator": "l\u2028int evil;",
    "next line": "l\u0085int evil;",
    "right to left": "\u202e*/",
    "format": "%n%s%999999d",
    "template": "{{7*7}}{% include '/etc/passwd' %}",
    "nul": "n\x00ul",
    "string": '"; system("id"); "',
    "include": '#include "/etc/passwd"',
    "keyword": "int",
    "macro": "__FILE__",
    "digit": "9lives",
    "endless": "a" * 70000,
    "function": "memcpy",
    "shell": "$(id)`id`",
    "path": "../../../var/pwn",
    "constant": "EOF",
    "other letters": "\u043a\u043e\u0442",
}


def built(limited, model: bytes, key: str) -> bytes:
    """The stripped object files of a build, one after the other."""
    data = limited.case / "calib.npz"
    x = np.random.default_rng(1).normal(size=(4, 6, 2)).astype(np.float32)
    np.savez(data, **{key: x})  # type: ignore[arg-type]
    return built_with(limited, model, "--calib", data)


def built_with(limited, model: bytes, *options: object) -> bytes:
    path = limited.model(model)
    options = (*options, "--name", "m", "--no-crosscheck", "-o", "out")
    done = limited.run("build", path, *options)
    assert (done.code, done.err) == (0, "")
    out = limited.work / "out"
    assert done.files == sorted(["out", *(f"out/{p.name}" for p in out.iterdir())])
    return b"".join(compiled(source) for source in sorted(out.glob("*.c")))


def compiled(source: Path) -> bytes:
    target = source.with_suffix(".o")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-trigraphs", "-O2"]
    subprocess.run(["gcc", *flags, "-c", source.name, "-o", target], cwd=source.parent, check=True)
    subprocess.run(["strip", "--strip-all", target], check=True)
    return target.read_bytes()


@pytest.fixture(scope="module")
def harmless(server, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    limited = Limited(server, tmp_path_factory.mktemp("harmless"))
    return built(limited, lstm().SerializeToString(), "X")


@pytest.mark.parametrize("case", NAMES)
def test_object_code_is_that_of_the_harmless_twin(case: str, limited, harmless: bytes) -> None:
    name = NAMES[case]
    names = {"X": name + "X", "W": name + "W", "Y": name + "Y", "node": name, "graph": name}
    # A zip archive cannot carry every name; then the name as it reads in C is used.
    key = identifier(name + "X") if case in ("nul", "endless") else name + "X"
    assert built(limited, lstm(names=names).SerializeToString(), key) == harmless


def test_names_that_collide_in_c(limited, harmless: bytes) -> None:
    names = {"X": "a_b", "W": "a.b", "Y": "a-b", "node": "A_B"}
    assert built(limited, lstm(names=names).SerializeToString(), "a_b") == harmless


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_names_of_every_kind_of_layer(kind, limited) -> None:
    model, options = kind(), ("--precision", "float32")
    if kind is two_directions:
        options += ("--max-steps", "8")
    wanted = built_with(limited, model.SerializeToString(), *options)
    names = list(NAMES.values())
    for turn in range(0, len(names), 6):
        shutil.rmtree(limited.work / "out")
        hostile = renamed(model, names[turn:] + names[:turn])
        assert built_with(limited, hostile.SerializeToString(), *options) == wanted
