"""`rnn2c` under limits in an empty folder, and the assertion of a clean refusal."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """How a command line ended; `files` is what its folder holds afterwards."""

    code: int
    out: str
    err: str
    seconds: float
    files: list[str]


class Limited:
    """Runs commands through the server; `case` holds the hostile files, `work` stays empty."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.case = folder / "case"
        self.work = folder / "work"
        self.case.mkdir()
        self.work.mkdir()

    def run(self, *arguments: object) -> Done:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        before = tree(self.case)
        self.process.stdin.write(json.dumps([list(map(str, arguments)), str(self.work)]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert tree(self.case) == before, "the folder of the input was written to"
        return Done(**answer, files=tree(self.work))

    def refused(self, *arguments: object) -> str:
        """The one line of a refusal that keeps every promise."""
        done = self.run(*arguments)
        assert done.code == 2, (done.code, done.err[-400:])
        assert done.out == ""
        assert done.files == []
        assert done.seconds < 10
        (line,) = done.err.splitlines()
        assert line.startswith("rnn2c: error: ")
        assert line.isprintable()
        assert len(line) < 1500
        return line

    def model(self, data: bytes, name: str = "model.onnx") -> Path:
        path = self.case / name
        path.write_bytes(data)
        return path


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
