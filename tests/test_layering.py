"""The import rule of the compiler, read from the syntax trees of its files.

Stages never import one another: they share the modules of SHARED and READERS.  Only pipeline.py
knows the stages, only the Python API and the command line know pipeline.py.  A module
without a line in MAY_IMPORT is an error, so nobody adds a layer by accident.  Every check is run on
the checkout and on small trees with one seeded violation each.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "rnn2c"

STAGES = frozenset(
    {
        *("frontend", "compress", "quantization", "passes", "lower", "tailor", "emit", "validate"),
        "tune",
    }
)
SHARED = frozenset(
    """arith arith_f32 arith_f32_functions arith_half arith_norm arith_reduce arith_tree budget
    calibration data errors files ir lut npz packing target""".split()
)
READERS = frozenset({"execute", "interp", "interp_numbers", "proof", "proof_rows", "ranges"})
READ_BY_READERS = frozenset(
    """arith arith_f32 arith_f32_functions arith_half arith_norm arith_reduce arith_tree errors ir
    lut packing""".split()
)
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    **dict.fromkeys(SHARED - {"errors"}, SHARED),
    **dict.fromkeys(READERS, READ_BY_READERS),
    "execute": READ_BY_READERS | {"interp", "interp_numbers"},
    "interp": READ_BY_READERS | {"interp_numbers"},
    "proof": READ_BY_READERS | {"proof_rows", "ranges"},
    **dict.fromkeys(STAGES, SHARED | READERS),
    "pipeline": SHARED | READERS | STAGES,
    "api": SHARED | {"pipeline"},
    PACKAGE: frozenset({"api", "errors"}),
    "cli": SHARED | {"pipeline", PACKAGE},
    "__main__": frozenset({"cli"}),
}
# The public methods Program.run and run_integer: a call passed on, imported when it is made.
DELEGATED = frozenset({("ir/program.py", "execute")})

LAZY_LIBRARIES = frozenset({"h5py", "keras", "matplotlib", "onnxruntime", "tensorflow", "torch"})
LAZY_EXCEPT_IN = "compress"

LINE_LIMIT = 300
LIMITED_FILES = {
    PACKAGE: ("*.py", "*.c", "*.h"),
    "templates": ("*",),
    "tests": ("*.py",),
    "firmware_examples": ("*.py",),
    "benchmarks": ("*.py",),
}


@dataclass(frozen=True)
class Import:
    """One imported module by its dotted name; `deferred` if inside a function."""

    module: str
    line: int
    deferred: bool


class ImportCollector(ast.NodeVisitor):
    """Collects the imports of one file, those of importlib and of type checking included."""

    def __init__(self, root: Path, path: Path) -> None:
        self.root = root
        self.package = path.relative_to(root).with_suffix("").parts[:-1]
        self.deferred = False
        self.found: list[Import] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        parents = self.package[: len(self.package) - node.level + 1] if node.level else ()
        module = ".".join((*parents, *filter(None, [node.module])))
        for alias in node.names:
            self._add(self._submodule(module, alias.name) or module, node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else None
        called = node.func.id if isinstance(node.func, ast.Name) else called
        if called in {"import_module", "__import__"} and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                self._add(argument.value, node.lineno)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        outer, self.deferred = self.deferred, True
        self.generic_visit(node)
        self.deferred = outer

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # noqa: N815 - ast's names

    def visit_If(self, node: ast.If) -> None:
        """An import for type checking only never runs: deferred, but it counts as an import."""
        outer = self.deferred
        self.deferred = outer or "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body:
            self.visit(statement)
        self.deferred = outer
        for statement in node.orelse:
            self.visit(statement)

    def _add(self, module: str, line: int) -> None:
        self.found.append(Import(module, line, self.deferred))

    def _submodule(self, module: str, name: str) -> str | None:
        path = self.root.joinpath(*module.split("."), name)
        return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else None


def sources(root: Path) -> list[Path]:
    return sorted((root / PACKAGE).rglob("*.py"))


def imports(root: Path, path: Path) -> list[Import]:
    collector = ImportCollector(root, path)
    collector.visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return collector.found


def component(module: str) -> str:
    """The part of the compiler that a module belongs to: `rnn2c.ir.graph` belongs to `ir`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else PACKAGE


def layer(root: Path, path: Path) -> str:
    first = path.relative_to(root / PACKAGE).parts[0].removesuffix(".py")
    return PACKAGE if first == "__init__" else first


def layering(root: Path) -> Iterator[str]:
    """Imports inside the package that MAY_IMPORT does not allow."""
    for path in sources(root):
        importer, name = layer(root, path), path.relative_to(root / PACKAGE).as_posix()
        if importer not in MAY_IMPORT:
            yield f"{name}: {importer} has no line in MAY_IMPORT: say what it may import"
            continue
        for found in imports(root, path):
            if found.module.split(".")[0] != PACKAGE:
                continue
            imported = component(found.module)
            delegated = found.deferred and (name, imported) in DELEGATED
            if imported not in MAY_IMPORT[importer] | {importer} and not delegated:
                yield f"{name}:{found.line}: {importer} imports {found.module}"


def heavy_imports(root: Path) -> Iterator[str]:
    """Heavy libraries imported where the module is loaded, not where a function needs them."""
    for path in sources(root):
        if layer(root, path) == LAZY_EXCEPT_IN:
            continue
        for found in imports(root, path):
            if found.module.split(".")[0] in LAZY_LIBRARIES and not found.deferred:
                name = path.relative_to(root / PACKAGE).as_posix()
                yield f"{name}:{found.line}: imports {found.module} when it is loaded"


def asks_target_name(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether a comparison or match has `target.name`, or a target's own name, on a side."""
    match node:
        case ast.Compare(left=left, comparators=comparators):
            parts = [part for side in (left, *comparators) for part in ast.walk(side)]
        case ast.Match(subject=subject):
            parts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
            parts += ast.walk(subject)
        case _:
            return False
    return any(
        (isinstance(part, ast.Constant) and part.value in names)
        or (isinstance(part, ast.Attribute) and re.search(r"\btarget\.name$", ast.unparse(part)))
        for part in parts
    )


def target_names(root: Path) -> Iterator[str]:
    """Decisions by a target's name: a target is a record of facts, so ask for the fact."""
    # "host" is an everyday word: as a string alone it proves nothing.
    names = frozenset(path.stem for path in (root / "targets").glob("*.toml")) - {"host"}
    for path in sources(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if asks_target_name(node, names):
                line = getattr(node, "lineno", 0)
                yield f"{path.relative_to(root)}:{line}: decides by a target's name"
    asked = re.compile(r"target\.name\s*(==|!=|(not\s+)?in\b)|(==|!=|\bin)\s*target\.name\b")
    for path in sorted((root / "templates").rglob("*.j2")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if asked.search(line):
                yield f"{path.relative_to(root)}:{number}: decides by a target's name"


def long_files(root: Path) -> Iterator[str]:
    """Files over LINE_LIMIT lines: a room with two jobs."""
    for folder, patterns in LIMITED_FILES.items():
        for path in sorted(
            {path for pattern in patterns for path in (root / folder).rglob(pattern)}
        ):
            if path.is_file() and "__pycache__" not in path.parts:
                lines = len(path.read_text(encoding="utf-8").splitlines())
                if lines > LINE_LIMIT:
                    yield f"{path.relative_to(root)}: {lines} lines, at most {LINE_LIMIT}"


Check = Callable[[Path], Iterator[str]]
CHECKS: tuple[Check, ...] = (layering, heavy_imports, target_names, long_files)


@pytest.mark.parametrize("check", CHECKS)
def test_checkout_keeps_the_rule(check: Check) -> None:
    assert sources(ROOT), "no source was found: the checks would pass on nothing"
    assert list(check(ROOT)) == []


TREE = {
    "rnn2c/__init__.py": "from rnn2c.api import build\n",
    "rnn2c/api.py": "from rnn2c import pipeline\n",
    "rnn2c/cli.py": "from rnn2c import pipeline\n",
    "rnn2c/errors.py": "class Rnn2cError(Exception): ...\n",
    "rnn2c/interp.py": "from rnn2c.ir.graph import Model\n",
    "rnn2c/ir/graph.py": "from rnn2c.errors import Rnn2cError\n",
    "rnn2c/ir/program.py": "def run():\n    from rnn2c.execute import run\n",
    "rnn2c/pipeline.py": "from rnn2c.emit import c\nfrom . import lower\n",
    "rnn2c/lower/__init__.py": "from rnn2c import errors, ir\n",
    "rnn2c/emit/c.py": "from ..ir import graph\nfrom . import names\n",
    "rnn2c/emit/names.py": "import numpy\n\n\ndef f(target):\n    return target.name\n",
    "rnn2c/frontend/pytorch.py": "def load():\n    import torch\n",
    "rnn2c/compress/qat.py": "import torch\n",
    "targets/cortex-m4.toml": "",
    "templates/generic/model.c.j2": "/* for {{ target.name }} */\n",
}
SEEDED = [
    (layering, "rnn2c/emit/c.py", "from rnn2c.lower import lstm\n"),
    (layering, "rnn2c/emit/c.py", "from rnn2c import lower\n"),
    (layering, "rnn2c/emit/c.py", "import rnn2c.lower\n"),
    (layering, "rnn2c/emit/c.py", "from ..lower import lstm\n"),
    (layering, "rnn2c/emit/c.py", "from .. import lower\n"),
    (layering, "rnn2c/emit/c.py", "def f():\n    from rnn2c.pipeline import build\n"),
    (layering, "rnn2c/emit/c.py", "import importlib\nimportlib.import_module('rnn2c.lower')\n"),
    (layering, "rnn2c/emit/c.py", "import rnn2c\n"),
    (layering, "rnn2c/emit/c.py", "if TYPE_CHECKING:\n    from rnn2c.lower import lstm\n"),
    (layering, "rnn2c/ir/graph.py", "from rnn2c.lower import lstm\n"),
    (layering, "rnn2c/ir/graph.py", "def f():\n    from rnn2c.interp import run\n"),
    (layering, "rnn2c/ir/program.py", "from rnn2c.execute import run\n"),
    (layering, "rnn2c/interp.py", "from rnn2c.target import Target\n"),
    (layering, "rnn2c/errors.py", "from rnn2c.ir import graph\n"),
    (layering, "rnn2c/cli.py", "from rnn2c.emit import c\n"),
    (layering, "rnn2c/helpers.py", ""),
    (heavy_imports, "rnn2c/frontend/pytorch.py", "import torch\n"),
    (heavy_imports, "rnn2c/frontend/pytorch.py", "try:\n    from torch import nn\nexcept E: ...\n"),
    (heavy_imports, "rnn2c/validate/check.py", "class A:\n    import onnxruntime as ort\n"),
    (heavy_imports, "rnn2c/frontend/files.py", "import h5py\n"),
    (target_names, "rnn2c/emit/c.py", "if target.name == 'x': ...\n"),
    (target_names, "rnn2c/emit/c.py", "y = 1 if program.target.name in ('x',) else 2\n"),
    (target_names, "rnn2c/emit/c.py", "if 'avr' in self.target.name: ...\n"),
    (target_names, "rnn2c/emit/c.py", "match target.name:\n    case 'x': ...\n"),
    (target_names, "rnn2c/emit/c.py", "fast = name == 'cortex-m4'\n"),
    (target_names, "templates/generic/model.c.j2", "{% if target.name == 'x' %}\n"),
    (long_files, "rnn2c/emit/c.py", "x = 1\n" * (LINE_LIMIT + 1)),
    (long_files, "templates/generic/model.c.j2", "\n" * (LINE_LIMIT + 1)),
]


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def test_tree_that_keeps_the_rule_gives_no_complaint(tmp_path: Path) -> None:
    write_tree(tmp_path, TREE)
    assert {check.__name__: list(check(tmp_path)) for check in CHECKS} == {
        check.__name__: [] for check in CHECKS
    }


@pytest.mark.parametrize(("check", "name", "text"), SEEDED)
def test_seeded_violation_is_caught(tmp_path: Path, check: Check, name: str, text: str) -> None:
    write_tree(tmp_path, TREE | {name: text})
    complaints = {each: list(each(tmp_path)) for each in CHECKS}
    assert len(complaints.pop(check)) == 1
    assert not any(complaints.values())
