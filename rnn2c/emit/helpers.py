"""Functions in C that operations call where a core has no instruction for what they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

WORDS = {"minimum": "smaller", "maximum": "larger"}


def choices(
    definitions: Iterable[str], prefix: str, bodies: Mapping[str, tuple[str, ...]],
    attribute: str = "",
) -> list[str]:  # fmt: skip
    """The functions PREFIX_minimum and PREFIX_maximum that these definitions call.

    bodies: the lines of each, empty if a target has none.
    """
    text = "\n".join(definitions)
    return [
        "\n".join([
            f"/* The {WORDS[which]} of two, without a branch. */",
            *filter(None, [attribute]),
            f"static inline int32_t {prefix}_{which}(int32_t a, int32_t b)",
            "{",
            *(f"    {line}" for line in body),
            "}",
        ])
        for which, body in bodies.items()
        if f"{prefix}_{which}(" in text
    ]  # fmt: skip


def product(prefix: str, body: tuple[str, ...], attribute: str = "") -> str:
    """The function PREFIX_product with these lines, for cores that do not multiply."""
    return "\n".join([
        "/* a * b, in the same number of instructions for all numbers. */",
        *filter(None, [attribute]),
        f"static inline int32_t {prefix}_product(int32_t a, uint8_t b)",
        "{",
        *(f"    {line}" for line in body),
        "}",
    ])  # fmt: skip
