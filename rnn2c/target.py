"""Target: everything the compiler and `validate` know about one chip, read from a TOML file.

A target is data.  No code asks for a target's name; it asks for the fields below.  A key that is
unknown, missing or of the wrong type is an error that names the file and the key.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from rnn2c.data import targets_dir
from rnn2c.errors import Rnn2cError, quoted

Profile = Literal["accurate", "fast", "compact"]
Kernels = Literal["", "c", "dsp", "mve", "armv7-m", "armv6-m", "avr"]
Level = Literal["size", "balanced", "speed", "unrolled"]
LEVELS: tuple[Level, ...] = get_args(Level)
EmulatorKind = Literal["native", "qemu", "simavr"]
Timing = Literal["none", "cortex-m0plus", "cortex-m3", "cortex-m4"]
Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """How C becomes an object: `flags` select the core, `link_flags` end the link command.

    `optimize` is the flag of level balanced, and of the others where theirs is empty.
    """

    command: str
    packages: str
    optimize: str
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    optimize_size: str = ""
    optimize_speed: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the part named in the description has, in bytes.

    `object_bytes` bounds one array, `constant_bytes` all constants together.
    """

    flash_bytes: int
    ram_bytes: int
    object_bytes: int
    constant_bytes: int = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bounds, in bytes, for what the compiler decides: see `rnn2c.budget`."""

    code_base: int
    code_per_call: int
    code_per_sum: int
    stack: int


@dataclass(frozen=True, kw_only=True)
class Far:
    """Of a core whose pointers reach only part of the flash: with more than `above` bytes of
    constants a model is addressed in another way, by `templates` before those of the target and
    with bounds of its own.
    """

    above: int
    templates: tuple[str, ...]
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """What runs the program: the machine itself, a QEMU machine or a simavr core.

    `command` is empty where rnn2c starts something of its own.  The memory map is the emulated
    machine's, which may be larger than the part: `Limits` are checked apart.  Where nothing
    emulates the core, `flags` are those of the compiler for the one that stands in for it.
    """

    kind: EmulatorKind
    packages: str = ""
    command: str = ""
    machine: str = ""
    cpu: str = ""
    flags: tuple[str, ...] = ()
    flash_origin: int = 0
    flash_bytes: int = 0
    ram_origin: int = 0
    ram_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Board:
    """A clock, a supply and what the core draws while it computes, as far as known, with the
    `source` of these figures: a data sheet.  The current counts as proportional to the clock.
    """

    clock_mhz: float
    source: str
    supply_v: float | None = None
    current_ma_per_mhz: float | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target.  `templates` is the search path of variants, most special first.

    `kernels` names the assembly that computes dot products: "c" is none, but functions in C, and
    empty plain loops.  `product_instructions` are what a product of integers takes about, more than
    1 where the core has no multiplication.
    `levels` are those that one can optimize for, the smallest first.
    `harness` names the startup and output code of the verification program.  `accumulators` are
    the accumulator widths in bits that the core adds cheaply, narrowest first; `alignment` the
    largest alignment in bytes a member of a struct gets.  `timing` names the model that estimates
    cycles where the emulator counts instructions only (docs/cycles.md).  `constants`: whether
    pointers reach them; `far` says what else there is.
    """

    name: str
    description: str
    cpu: str
    harness: str
    templates: tuple[str, ...]
    profile: Profile
    alignment: int
    accumulators: tuple[int, ...]
    estimate: Estimate
    compiler: Compiler
    emulator: Emulator
    limits: Limits | None = None
    board: Board | None = None
    timing: Timing = "none"
    kernels: Kernels = ""
    product_instructions: int = 1
    levels: tuple[Level, ...] = ("size", "balanced", "speed")
    far: Far | None = None
    constants: Literal["near", "far"] = "near"

    @property
    def cycles_kind(self) -> Literal["exact", "estimated"] | None:
        """Where cycles come from: the emulator, a timing model, nowhere."""
        if self.emulator.kind == "simavr":
            return "estimated" if self.emulator.flags else "exact"
        return "estimated" if self.timing != "none" else None

    def at(self, level: Level) -> Target:
        """The target with the compiler flag of a level."""
        c = self.compiler
        flags = {"size": c.optimize_size, "balanced": c.optimize}
        flag = flags.get(level, c.optimize_speed) or c.optimize
        return replace(self, compiler=replace(c, optimize=flag))

    def parse_level(self, name: str) -> Level:
        """The level called `name`; raises Rnn2cError that lists those of the target."""
        for level in self.levels:
            if level == name:
                return level
        raise Rnn2cError(
            f"{self.name} has no level {quoted(name)} to optimize for: {', '.join(self.levels)}"
        )

    @property
    def without_near(self) -> Target:
        """The target with the constants of every model far.  Raises Rnn2cError where none are."""
        if self.far is None:
            raise Rnn2cError(f"pointers reach all flash of {self.name}: leave out --far-constants")
        return replace(self, far=replace(self.far, above=0))

    @property
    def with_far_constants(self) -> Target:
        """The target for a program whose constants lie anywhere in the flash."""
        assert self.far is not None
        templates = (*self.far.templates, *self.templates)
        return replace(self, constants="far", templates=templates, estimate=self.far.estimate)

    @property
    def as_emulated(self) -> Target:
        """The target as it is compiled for what runs it, maybe a core in the place of its own."""
        flags = self.emulator.flags or self.compiler.flags
        return replace(self, compiler=replace(self.compiler, flags=flags))

    @property
    def stand_in(self) -> str:
        """What runs instead of a core that nothing emulates, "" if it does itself."""
        return self.emulator.machine if self.emulator.flags else ""

    @property
    def compiled_with(self) -> str:
        """Compiler and optimization that estimates and measurements are made with."""
        return f"{self.compiler.command} {self.compiler.optimize}"


def load_target(name: str) -> Target:
    """The target called `name`.

    Raises Rnn2cError if there is no such target (the text lists the names) or its file is wrong.
    """
    names = _names()
    if name not in names:
        raise Rnn2cError(f"there is no target {name!r}: choose one of {', '.join(names)}")
    return read_target(targets_dir() / f"{name}.toml")


def list_targets() -> list[Target]:
    """Every target, sorted by name."""
    return [load_target(name) for name in _names()]


def read_target(path: Path) -> Target:
    """Read and check one target file; the target is called as the file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Rnn2cError(f"target file {path.name}: {error}") from error
    if "name" in table:
        raise Rnn2cError(f"target file {path.name}: key 'name' is not allowed: the file names it")
    return _read(Target, {"name": path.stem, **table}, path.name, "")


def _names() -> list[str]:
    return sorted(path.stem for path in targets_dir().glob("*.toml"))


def _read(record: type[Record], table: Mapping[str, Any], file: str, prefix: str) -> Record:
    """Build `record` from a TOML table; keys, types and literals are exactly those declared."""
    hints = get_type_hints(record)
    for key in table:
        if key not in hints:
            raise Rnn2cError(f"target file {file}: unknown key '{prefix}{key}'")
    values: dict[str, Any] = {}
    for field in fields(record):  # type: ignore[arg-type]  # every record here is a dataclass
        where = f"{prefix}{field.name}"
        if field.name in table:
            values[field.name] = _value(hints[field.name], table[field.name], file, where)
        elif field.default is MISSING:
            raise Rnn2cError(f"target file {file}: key '{where}' is missing")
    return record(**values)


def _value(hint: Any, value: Any, file: str, where: str) -> Any:
    if isinstance(hint, UnionType):
        hint = get_args(hint)[0]
    origin = get_origin(hint)
    if origin is Literal and value in get_args(hint):
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_value(get_args(hint)[0], item, file, where) for item in value)
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        if isinstance(value, dict):
            return _read(hint, value, file, f"{where}.")
    elif type(value) is hint:  # an exact match: True is no integer
        if hint is float and not 0 < value < math.inf:
            raise Rnn2cError(f"target file {file}: key '{where}' is {value!r}, not above 0")
        return value
    expected = " or ".join(map(repr, get_args(hint))) if origin is Literal else _type_name(hint)
    raise Rnn2cError(f"target file {file}: key '{where}' is {value!r}, expected {expected}")


def _type_name(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return f"a list of {_type_name(get_args(hint)[0])}"
    known = {
        str: "a string",
        int: "an integer",
        float: "a decimal number",
        bool: "true or false",
    }
    return known.get(hint, "a table")
