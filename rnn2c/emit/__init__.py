"""Emit a Program as C99.  Python decides, the templates print; same program, same bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jinja2

from rnn2c.arith_tree import LIMITS
from rnn2c.budget import alignment, budget
from rnn2c.data import templates_dir
from rnn2c.emit.arith_c import calls_library, real_text
from rnn2c.emit.arrays import ArrayCode, all_arrays
from rnn2c.emit.code import Coder
from rnn2c.emit.flash import Flash
from rnn2c.emit.golden import golden
from rnn2c.emit.kernels import kernel_functions
from rnn2c.emit.primitives import definitions, has_assembly, most_columns, used
from rnn2c.emit.shared import merged, shared_tables, table_bytes, tables_id
from rnn2c.emit.units import units_functions, whole_stages
from rnn2c.ir.interface import BYTES
from rnn2c.ir.program import (
    CTYPES,
    Buffer,
    Clock,
    Loop,
    Op,
    Program,
    Row,
    Signal,
    When,
)

FILES = ("model.h", "model.c", "model_float.h", "model_selftest.c")
FLOAT_FILES = ("model.h", "model.c", "model_selftest.c")  # nothing is to be converted
SUFFIXES = {
    "model.h": ".h",
    "model.c": ".c",
    "model_float.h": "_float.h",
    "model_selftest.c": "_selftest.c",
}


def emit_c(program: Program, beside: Mapping[str, str] | None = None) -> dict[str, str]:
    """File name -> text of the header, the source, the self-test, of integer programs the float
    helpers, and shared tables.

    beside: the sources that are in the folder already; shared tables that they need stay.
    """
    far = program.target.constants == "far"
    environment = _environment(program.target.templates, far)
    platform = environment.get_template("platform.h.j2").render()
    shared = shared_tables(program, platform)
    context = _context(program, shared)
    files = {
        f"{program.name}{SUFFIXES[f]}": _without_unused_macros(
            environment.get_template(f"{f}.j2").render(context)
        )
        for f in (FLOAT_FILES if program.is_float else FILES)
    }
    if not shared:
        return files
    others = {name: text for name, text in (beside or {}).items() if name not in files}
    path = f"{program.tables_file}.c"
    tables = merged(shared.values(), others.pop(path, ""), others, platform, path)
    context = {
        "file": program.tables_file,
        "tables": tables,
        "id": tables_id(tables),
        "bytes": table_bytes(tables),
        "platform": platform,
    }
    for ending in (".h", ".c"):
        text = environment.get_template(f"tables{ending}.j2").render(context)
        files[program.tables_file + ending] = _without_unused_macros(text)
    return files


def _without_unused_macros(text: str) -> str:
    """The text without the platform's macros that it defines and never names again."""
    words = Counter(re.findall(r"\w+", text))

    def used(macro: re.Match[str]) -> str:
        return macro[0] if words[macro[1]] > 1 else ""

    return re.sub(r"^#define (RNN2C_\w+)(?:.*\\\n)*.*\n", used, text, flags=re.MULTILINE)


@cache
def _environment(variants: tuple[str, ...], far: bool) -> jinja2.Environment:
    """Templates of these variants, most special first, for constants near or far; compiled once, as
    that takes a while.
    """
    folders = [templates_dir() / name for name in variants]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(c_float=real_text, c_int=_c_int)
    environment.globals.update(flash=Flash(far))
    return environment


def _c_int(value: int) -> str:
    """A literal of type int32_t that needs no wider type on a 16-bit machine."""
    if value == -(2**31):
        return "INT32_MIN"
    if abs(value) <= 32767:
        return str(value)
    return f"(-INT32_C({-value}))" if value < 0 else f"INT32_C({value})"


def _context(program: Program, shared: Mapping[str, ArrayCode]) -> dict[str, Any]:
    coder = Coder(program, {name: table.name for name, table in shared.items()})
    primitives = used(program)
    outputs = _ports(program, program.outputs)
    arrays = all_arrays(program)
    members = sorted(program.having("state", "scratch"), key=_member_order)
    return {
        "p": program,
        "N": program.name,
        "P": program.name.upper(),
        "budget": budget(program),
        "interface": program.interface(),
        "members": members,
        "indices": _copy_indices(program),
        "now": {b.name: _now(program.clock_of.get(b.name)) for b in members if b.twice},
        "rings": any(isinstance(op, Row) for op in _all_operations(program)),
        "saved": program.having("state"),
        "ctype": CTYPES,
        "limits": LIMITS,
        "buffer": program.buffer,
        "inputs": _ports(program, program.inputs),
        "outputs": outputs,
        "finals": outputs["window"] + outputs["sequence"],
        "arrays": arrays,
        "near": _near(program, [*arrays, *shared.values()]),
        "has_weights": any(a.is_weights for a in arrays),
        "primitives": definitions(program, primitives),
        "library": calls_library(primitives),
        "init": coder.function(program.init),
        "step": coder.function(program.step),
        "finish": coder.function(program.finish),
        "packings": most_columns(program),
        "kernels": kernel_functions(program, whole_stages(program)),
        "units": units_functions(program, coder.static),
        "assembly": has_assembly(program, primitives),
        "aligned": any(b.lanes > 1 for b in program.buffers),
        "golden": golden(program),
        "present": " && ".join(f"defined({t.name.upper()}_SIZE)" for t in shared.values()),
    }


def _near(program: Program, arrays: list[ArrayCode]) -> list[tuple[str, int]]:
    """The arrays, with their sizes, that are too far for pointers if they are linked there."""
    checked = program.target.far is not None and program.target.constants == "near"
    return [(a.name, a.size) for a in arrays] if checked else []


def _member_order(b: Buffer) -> tuple[int, int]:
    """Those that begin at the largest multiples first, so that there are no gaps."""
    return -alignment(b), -BYTES[CTYPES[b.type]]


def _all_operations(program: Program) -> Iterator[Op]:
    for op in (*program.init, *program.step, *program.finish):
        yield op
        if isinstance(op, (When, Loop)):
            yield from op.body


def _copy_indices(program: Program) -> dict[str, Clock | None]:
    """The members that say which of two copies is current, and when that changes."""
    clocks = [program.clock_of.get(b.name) for b in program.having("state", "scratch") if b.twice]
    return {_now(clock): clock for clock in clocks}


def _now(clock: Clock | None) -> str:
    return "now" if clock is None else f"now_{clock.buffer}"


def _ports(program: Program, signals: tuple[Signal, ...]) -> dict[str, list[tuple[Signal, Buffer]]]:
    """Signals with their buffers, by rate."""
    return {
        rate: [(s, program.buffer[s.buffer]) for s in signals if s.rate == rate]
        for rate in ("step", "sequence", "window")
    }
