"""C identifiers from the names of a model, which are untrusted text.

Only ASCII letters, digits and underscores survive; keywords, reserved names and collisions get a
suffix.  The original name never reaches C in any other way.
"""

from __future__ import annotations

import re

LONGEST = 40
C_WORDS = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while asm and bitand bitor bool catch class compl delete explicit export
    false friend mutable namespace new not operator or private protected public template this throw
    true try typeid typename using virtual xor wchar_t main errno stdin stdout stderr null eof j k
    s t v w steps status image raw now best at v_odd wrong multiplier offset shift state save
    memset""".split()
)
"""Keywords of C and C++, and what the emitted C itself calls something in the scope of a port."""

C_ENDINGS = ("_t", "_j", "_new")
"""Types, values of a unit, the copy of a buffer that is being computed."""


def identifier(text: str, fallback: str = "v") -> str:
    """A lower-case C identifier that resembles `text`; `fallback` if nothing of it survives."""
    plain = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_").lower()[:LONGEST].strip("_")
    if not plain:
        plain = fallback
    if plain[0].isdigit() or plain in C_WORDS:
        plain = f"{fallback}_{plain}"
    return f"{plain}_0" if plain.endswith(C_ENDINGS) else plain


class Names:
    """Hands out identifiers, each one once."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def take(self, text: str, fallback: str = "v") -> str:
        """A new identifier that resembles `text`."""
        base = identifier(text, fallback)
        name, n = base, 2
        while name in self._used:
            name, n = f"{base}_{n}", n + 1
        self._used.add(name)
        return name


def prose(text: str) -> str:
    """The text as it may stand in a C comment: printable ASCII without comment delimiters."""
    plain = re.sub(r"[^ -~]", "?", text)[:80]
    return plain.replace("*/", "*_").replace("/*", "_*").replace("\\", "_").replace("??", "__")
