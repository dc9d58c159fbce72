"""C identifiers from the names of a model, which are untrusted text.

Only ASCII letters, digits and underscores survive; keywords, reserved names and collisions get a
suffix.  The original name never reaches C in any other way.
"""

from __future__ import annotations

import re

LONGEST = 40
KEPT_END = 16
C_WORDS = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch
    typedef union unsigned void volatile while asm and bitand bitor bool catch class compl
    delete explicit export false friend mutable namespace new not operator or private
    protected public template this throw true try typeid typename using virtual xor wchar_t
    nullptr constexpr consteval constinit static_cast const_cast dynamic_cast
    reinterpret_cast xor_eq not_eq and_eq or_eq decltype noexcept alignas alignof concept
    static_assert thread_local requires co_await co_return co_yield char8_t char16_t
    char32_t main errno stdin stdout stderr null eof j k s t v w steps status image raw now
    best at v_odd wrong multiplier offset shift state save memset rows
    count turn sums vectors block unit in_block""".split()
)
"""Keywords of C and C++, and what the emitted C itself calls something in the scope of a port."""

HEADERS = frozenset(
    """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
    stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath
    threads time uchar unistd wchar wctype""".split()
)
"""Standard headers: a model's NAME.h must not hide one."""

C_ENDINGS = ("_t", "_j", "_new")
"""Types, values of a unit, the copy of a buffer that is being computed."""


def identifier(text: str, fallback: str = "v") -> str:
    """A lower-case C identifier that resembles `text`; `fallback` if nothing of it survives."""
    plain = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_").lower()
    if len(plain) > LONGEST:  # the end says what it is
        plain = plain[: LONGEST - KEPT_END].strip("_") + plain[-KEPT_END:]
    if not plain:
        plain = fallback
    if plain[0].isdigit() or plain in C_WORDS:
        plain = f"{fallback}_{plain}"
    return f"{plain}_0" if plain.endswith(C_ENDINGS) else plain


def model_identifier(text: str) -> str:
    """The identifier that names a model's files and functions."""
    name = identifier(text, "model")
    return f"{name}_model" if name in HEADERS else name


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
    """A name of the user as it may stand in a C comment, cut to 80 characters."""
    return comment(text[:80])


def comment(text: str) -> str:
    """The text as it may stand in a C comment: printable ASCII without comment delimiters."""
    plain = re.sub(r"[^ -~]", "?", text)
    return plain.replace("*/", "*_").replace("/*", "_*").replace("\\", "_").replace("??", "__")
