"""Kernels for AVR whose weights lie anywhere in the flash: ELPM in the place of LPM.

The upper byte of the address of the weights is a parameter more, behind the others.  It goes to
RAMPZ, into which Z+ carries.  Nothing puts RAMPZ back: on these cores every use of ELPM begins by
writing it, LPM and jumps do not heed it, and interrupt handlers of the compiler save it.
"""

from __future__ import annotations

import re

HIGH = "r18"
"""Where the parameter is: a register that a kernel may use."""

START = "movw r30, r22"
"""Z becomes the address of the weights."""

RETURNED = "movw r24, r30"
"""The address behind the weights of a unit is what the function returns."""


def far(lines: list[str]) -> list[str]:
    """The kernel with its weights far: Z has to begin at the parameter `w` and only go on."""
    writes = [line for line in lines if re.match(r"(?!l?pm|st)\w+ r3[01]\b", line)]
    assert writes == [START], writes
    found = by_elpm(lines)
    if RETURNED in found:
        at = found.index(RETURNED)
        found[at : at + 1] = ["movw r22, r30", "in r24, __RAMPZ__", "clr r25"]
    return [f"out __RAMPZ__, {HIGH}", *found]


def by_elpm(lines: list[str]) -> list[str]:
    """Every LPM as ELPM."""
    found = [re.sub(r"^lpm (r\d+), Z(\+?)$", r"elpm \1, Z\2", line) for line in lines]
    assert not any(line.startswith("lpm") for line in found)
    return found
