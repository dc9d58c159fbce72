"""Files of torch.save: nothing in them runs, only weights that fit their bytes are read."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

FACTORY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(2, 3, batch_first=True)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])

def net():
    return Net()

def with_example():
    return Net(), torch.zeros(1, 5, 2)

def broken():
    raise RuntimeError("no such luck")

def number():
    return 7
"""


class Evil:
    """Unpickling one of these leaves a folder behind."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("CANARY",)


class Net(nn.Module):
    """The same parameters as Net of FACTORY."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(2, 3, batch_first=True)
        self.head = nn.Linear(3, 2)


@pytest.fixture
def factory(limited) -> Path:
    path = limited.case / "net.py"
    path.write_text(FACTORY)
    return path


def saved(limited, held: object) -> Path:
    path = limited.case / "model.pt"
    torch.save(held, path)
    return path


def rewritten(path: Path, change: dict[str, bytes], **options: int) -> Path:
    """The archive with some members replaced, by the end of their name."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", **options) as new:  # type: ignore[arg-type]
        for name, data in members.items():
            end = next((e for e in change if name.endswith(e)), None)
            new.writestr(name, data if end is None else change[end])
    return path


def test_object_in_a_pickle_is_never_run(limited, factory: Path) -> None:
    path = saved(limited, {"w": Evil()})
    for options in ((), ("--module", f"{factory}:net", "--example-shape", "1,5,2")):
        line = limited.refused("build", path, *options)
        assert "posix.mkdir" in line
        assert "unsafe" in line
        assert "weights" in line
    assert not list(limited.case.parent.rglob("CANARY"))


def test_whole_module_is_refused_with_how_to_save(limited, factory: Path) -> None:
    path = saved(limited, nn.LSTM(2, 3))
    line = limited.refused("inspect", path, "--module", f"{factory}:net")
    assert "holds a whole module" in line
    assert "torch.save(module.state_dict()" in line


def test_bare_pickle_and_other_archives(limited) -> None:
    for data in (pickle.dumps(Evil()), b"", b"PK\x03\x04", b"\x80\x02" + b"(" * 1000):
        assert "model.pt'" in limited.refused("inspect", limited.model(data, "model.pt"))
    os.mkfifo(limited.case / "pipe.pth")
    assert "pipe.pth'" in limited.refused("inspect", limited.case / "pipe.pth")


def test_expanded_tensor_is_refused_by_name(limited) -> None:
    line = limited.refused("inspect", saved(limited, {"weight_ih": torch.zeros(1).expand(1 << 31)}))
    assert "'weight_ih'" in line
    assert str(1 << 31) in line


def test_storage_that_claims_more_than_its_bytes(limited) -> None:
    path = saved(limited, Net().state_dict())
    line = limited.refused("inspect", rewritten(path, {"data/0": b"1234"}))
    assert "claims a size of 72 bytes, the file holds 4" in line


def test_compressed_member_and_bomb(limited) -> None:
    path = rewritten(saved(limited, Net().state_dict()), {}, compression=zipfile.ZIP_DEFLATED)
    assert "is compressed" in limited.refused("inspect", path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(300 << 20))
    assert "unpacks to a size of" in limited.refused("inspect", path)


def test_endless_pickle(limited) -> None:
    path = rewritten(saved(limited, Net().state_dict()), {"data.pkl": bytes(5 << 20)})
    assert "model.pt'" in limited.refused("inspect", path)


def test_weights_without_module_say_what_to_give(limited) -> None:
    line = limited.refused("build", saved(limited, Net().state_dict()))
    assert "--module file.py:factory" in line


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("net", "expected FILE.py:FUNCTION"),
        ("none.py:net", "a file that exists"),
        ("{}:nothing", "AttributeError"),
        ("{}:broken", "RuntimeError: no such luck"),
        ("{}:net", "--example-shape"),
    ],
)
def test_bad_module_option(module: str, words: str, limited, factory: Path) -> None:
    path = saved(limited, Net().state_dict())
    assert words in limited.refused("inspect", path, "--module", module.format(factory))


def test_module_option_belongs_to_weights(limited, good: Path, factory: Path) -> None:
    assert "go with a .pt file" in limited.refused("build", good, "--module", f"{factory}:net")


@pytest.mark.parametrize("shape", ["", "1,a", "1,-5,2", "0", "4096,4096,4096"])
def test_bad_example_shape(shape: str, limited, factory: Path) -> None:
    path = saved(limited, Net().state_dict())
    options = ("--module", f"{factory}:net", "--example-shape", shape)
    assert "--example-shape" in limited.refused("inspect", path, *options)
