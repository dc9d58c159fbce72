"""python -OO has no docstrings: the comments of the emitted C were missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from rnn2c.arith_tree import tree
from rnn2c.emit.arith_c import definition
print(definition(tree("lut"), "m"))
"""


def test_primitives_keep_their_comments():
    root = Path(__file__).resolve().parents[2]
    texts = [
        subprocess.run(
            [sys.executable, *flags, "-c", PROGRAM], cwd=root, capture_output=True, check=True
        ).stdout
        for flags in ([], ["-OO"])
    ]
    assert texts[0] == texts[1]
    assert b"Interpolated look-up" in texts[0]
