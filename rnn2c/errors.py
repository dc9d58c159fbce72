"""The one exception a user may see, and the rule that its text is complete.

Every refusal says what is wrong, where, and what to do instead, in one line.  The command line
prints it and exits with code 2; anything else that escapes is a bug of the compiler.
"""

from __future__ import annotations

import re
from pathlib import PurePath

MAX_NAME = 60
MAX_PATH = 300
MAX_WORD = 400


class Rnn2cError(Exception):
    """Bad input: a model, data file, option or target that cannot be compiled as asked."""


def quoted(name: object) -> str:
    """A name out of an untrusted file, safe and short inside a one-line message."""
    text = str(name)
    if isinstance(name, PurePath):  # the end of a path tells the file
        text = text if len(text) <= MAX_PATH else "..." + text[3 - MAX_PATH :]
    else:
        text = text if len(text) <= MAX_NAME else text[: MAX_NAME - 3] + "..."
    return "'" + "".join(c if c.isprintable() else "?" for c in text) + "'"


def one_line(text: str) -> str:
    """A message as one line of printable text without endless words."""
    printable = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return re.sub(rf"\S{{{MAX_WORD + 1},}}", lambda word: word[0][:MAX_NAME] + "...", printable)


class UnsupportedError(Rnn2cError):
    """The model uses something rnn2c does not compile; the text names it and an alternative."""


class RangeError(Rnn2cError):
    """A value can leave its C type: raised by the range proof, never at run time."""


class TooLargeError(Rnn2cError):
    """The program does not fit the target; the text says by how much and what would fit."""


class MissingToolError(Rnn2cError):
    """A compiler or an emulator is not installed; the text names the package that has it."""
