"""The one exception a user may see, and the rule that its text is complete.

Every refusal says what is wrong, where, and what to do instead, in one line.  The command line
prints it and exits with code 2; anything else that escapes is a bug of the compiler.
"""

from __future__ import annotations


class Rnn2cError(Exception):
    """Bad input: a model, data file, option or target that cannot be compiled as asked."""


class UnsupportedError(Rnn2cError):
    """The model uses something rnn2c does not compile; the text names it and an alternative."""


class RangeError(Rnn2cError):
    """A value can leave its C type: raised by the range proof, never at run time."""


class TooLargeError(Rnn2cError):
    """The program does not fit the target; the text says by how much and what would fit."""


class MissingToolError(Rnn2cError):
    """A compiler or an emulator is not installed; the text names the package that has it."""
