"""Runs other people's code on a file that nobody vouches for: in a child process with limits on
memory, processor time and duration.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

from rnn2c.errors import Rnn2cError

SCRIPT = Path(__file__).with_name("child_main.py")
MEMORY_BYTES = 2 * 2**30
SECONDS = 30


class ChildTimeoutError(Rnn2cError):
    """The child did not finish in SECONDS."""


class ChildFailedError(Rnn2cError):
    """The child failed; the text is the last line that it wrote about it."""


def run_child(job: Literal["onnxruntime", "torch", "shapes"], given: bytes) -> bytes:
    """What the job answers, see child_main; raises ChildTimeoutError or ChildFailedError."""
    # -P: the folder of the script must not shadow the onnx package.
    command = [sys.executable, "-P", str(SCRIPT), job, str(MEMORY_BYTES), str(SECONDS)]
    # More threads would only reserve memory.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise ChildTimeoutError(f"no answer in {SECONDS} s") from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise ChildFailedError(lines[-1][:200])
    return done.stdout
