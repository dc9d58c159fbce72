"""What a user installs: the wheel holds every file of the compiler; importing it stays light."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout with the build backend of the environment."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked into a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files_under(folder: Path) -> set[str]:
    """The names of all files below a folder, caches apart, relative to it."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run_python(folder: Path, code: str, cwd: Path) -> str:
    """What `code` prints with only `folder` and the installed libraries on the path."""
    code = f"import sys\nsys.path.insert(0, {str(folder)!r})\n{code}"
    command = [sys.executable, "-I", "-B", "-c", code]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_holds_the_package_the_templates_and_the_targets(installed: Path) -> None:
    expected = files_under(ROOT / "rnn2c")
    for data in ("templates", "targets"):
        names = files_under(ROOT / data)
        assert names, f"the checkout has no {data}"
        expected |= {f"_data/{data}/{name}" for name in names}
    assert files_under(installed / "rnn2c") == expected


def test_wheel_holds_c_sources(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        suffixes = {Path(name).suffix for name in archive.namelist()}
    assert {".py", ".c", ".h", ".j2", ".toml"} <= suffixes


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"rnn2c", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"}


def test_wheel_names_the_command_and_the_licences(installed: Path) -> None:
    (information,) = installed.glob("*.dist-info")
    entry_points = (information / "entry_points.txt").read_text(encoding="utf-8")
    assert entry_points.splitlines() == ["[console_scripts]", "rnn2c = rnn2c.cli:main"]
    for name in ("LICENSE", "LICENSE-EXCEPTION"):
        shipped = (information / "licenses" / name).read_bytes()
        assert shipped == (ROOT / name).read_bytes()


def test_installed_package_finds_its_own_data(installed: Path, tmp_path: Path) -> None:
    code = """
import json, rnn2c
from rnn2c.data import targets_dir, templates_dir
from rnn2c.target import list_targets
print(json.dumps([rnn2c.__file__, str(targets_dir()), str(templates_dir()),
                  [target.name for target in list_targets()]]))
"""
    package, targets, templates, names = json.loads(run_python(installed, code, tmp_path))
    assert Path(package) == installed / "rnn2c" / "__init__.py"
    assert Path(targets) == installed / "rnn2c" / "_data" / "targets"
    assert Path(templates) == installed / "rnn2c" / "_data" / "templates"
    assert sorted(names) == sorted(path.stem for path in (ROOT / "targets").glob("*.toml"))


@pytest.mark.parametrize(
    ("module", "too_heavy"),
    [("rnn2c", {"torch", "onnxruntime", "onnx"}), ("rnn2c.cli", {"torch", "onnxruntime"})],
)
def test_import_is_light(module: str, too_heavy: set[str], tmp_path: Path) -> None:
    code = f"import {module}\nprint(*sys.modules)"
    loaded = set(run_python(ROOT, code, tmp_path).split())
    assert module in loaded
    assert loaded & too_heavy == set()
