"""Runs command lines of rnn2c in forked children under limits, so that a hundred are quick.

Standard input: one JSON list [arguments, folder] per line.  Standard output: one JSON object per
line with `code`, `out`, `err`, `seconds` (of processor time).  A child has MEMORY bytes of address
space in all.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from typing import IO

import onnx  # noqa: F401 - loaded once for all children

from rnn2c.cli import main

MEMORY = 2**30
SECONDS = 10
PATIENCE = 90  # on the wall clock: a busy machine is no fault of the command


def child(arguments: list[str], folder: str, out: IO[bytes], err: IO[bytes]) -> None:
    """Become `rnn2c ARGUMENTS`; never returns."""
    code = 70
    try:
        os.chdir(folder)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        signal.alarm(PATIENCE)
        main(arguments)
    except SystemExit as done:
        code = 0 if done.code is None else int(done.code)
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(arguments: list[str], folder: str) -> dict[str, object]:
    """One command line; `code` is negative where a signal ended it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        number = os.fork()
        if number == 0:
            child(arguments, folder, out, err)
        _, status, usage = os.wait4(number, 0)
        seconds = usage.ru_utime + usage.ru_stime
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
        code = os.waitstatus_to_exitcode(status)
        return {"code": code, "out": texts[0], "err": texts[1], "seconds": seconds}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)
