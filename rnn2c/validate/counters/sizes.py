"""Flash of a compiled model split by what it holds; the rule: the parts add up to the total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rnn2c.validate.sizes import Sizes, Symbol


@dataclass(frozen=True)
class SymbolRule:
    """Which constant arrays are weights and which are tables: glob patterns of symbol names."""

    weights: tuple[str, ...] = ("*_weights*", "*_bias*", "*_scale*", "*_multiplier*", "*_shift*")
    tables: tuple[str, ...] = ("*_table*",)


DEFAULT_RULE = SymbolRule()


@dataclass(frozen=True)
class FlashSizes:
    """Bytes of flash: `total` = code + weights + tables + other.

    `code` is executable sections without the constant arrays in them, literal pools included;
    `other` is what the rule does not name: unnamed constants, initial values, padding.
    """

    code: int
    weights: int
    tables: int
    other: int

    @property
    def total(self) -> int:
        return self.code + self.weights + self.tables + self.other


def split_flash(objects: Iterable[Sizes], rule: SymbolRule = DEFAULT_RULE) -> FlashSizes:
    """The flash of a model's object files.  A name that matches both patterns is a weight."""
    sizes = tuple(objects)
    arrays = [s for size in sizes for s in size.symbols if not s.is_function and s.kind != "bss"]
    weights = [s for s in arrays if _matches(s, rule.weights)]
    tables = [s for s in arrays if _matches(s, rule.tables) and s not in weights]
    code = sum(size.text for size in sizes) - sum(s.bytes for s in arrays if s.kind == "text")
    total = sum(size.flash_bytes for size in sizes)
    named = sum(s.bytes for s in weights), sum(s.bytes for s in tables)
    return FlashSizes(code, *named, total - code - sum(named))


def _matches(symbol: Symbol, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(symbol.name, pattern) for pattern in patterns)
