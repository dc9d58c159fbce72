"""Emitted C on a target: run sequences of integers, and check the promises of the interface.

Every function compiles into a temporary folder and leaves nothing behind.  A result is complete or
an error is raised; see `emulator.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rnn2c.errors import Rnn2cError, TooLargeError
from rnn2c.ir.interface import Interface, Port
from rnn2c.target import Target
from rnn2c.validate.compare import IntArray, NumberArray, SequenceResult
from rnn2c.validate.emulator import RUN_SECONDS, run_elf
from rnn2c.validate.harness import (
    Sequences,
    compile_objects,
    compile_selftest,
    dtype_of,
    link_program,
    pack_sequences,
    render,
)
from rnn2c.validate.sizes import object_sizes
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions, ToolError

Mode = Literal["trace", "final"]

HARNESS_FLASH = 6_144  # start-up, output and library code beside model and sequences
NATIVE_BLOB_BYTES = 1 << 26
AVR_CHUNK = 3
CHUNK_BYTES = 1 << 16

CHECKS = {
    "n": "null pointers, foreign save images and tokens out of range are refused",
    "t": "the self-test passes",
    "m": "a step too many is refused and leaves the state unchanged",
    "g": "init on a garbage-filled state equals init on a zeroed one",
    "f": "finish leaves the state unchanged",
    "s": "save and restore between any two steps change nothing",
    "i": "two interleaved states do not influence each other",
    "r": "one run of n steps equals n steps",
}


@dataclass(frozen=True)
class CheckFailure:
    """A promise of the interface that did not hold; `sequence` is None if it concerns none."""

    sequence: int | None
    promise: str

    def __str__(self) -> str:
        where = "" if self.sequence is None else f"sequence {self.sequence}: "
        return f"{where}does not hold: {self.promise}"


def compile_model(
    folder: Path, interface: Interface, target: Target, sequences: Sequences, *,
    mode: Mode = "trace", raw: bool = False, build: BuildOptions = DEFAULT_BUILD, out: Path,
) -> Path:  # fmt: skip
    """Compile the model emitted in `folder` with a program that runs `sequences`: the ELF file.

    `out` is an existing folder for everything made.  Raises ToolError with the compiler's message.
    """
    target = target.as_emulated
    objects = compile_objects(folder, interface, target, out, build=build)
    blob = pack_sequences(sequences, interface, raw=raw)
    text = render("trace.c.j2", target, interface, every_step=mode == "trace", raw=raw)
    return link_program(text, blob, objects, folder, target, out, build=build)


def run_sequences(
    folder: Path, interface: Interface, target: Target, sequences: Sequences, *,
    mode: Mode = "trace", raw: bool = False, build: BuildOptions = DEFAULT_BUILD,
    seconds: float = RUN_SECONDS, objects: tuple[Path, ...] = (),
) -> list[SequenceResult]:  # fmt: skip
    """Run raw sequences through the emitted C on `target`.

    A sequence maps port names to arrays of integers, or of floats where the port is float: [T, n]
    per step, [n] per sequence (absent: NULL is passed).  `raw`: the first per-step input is int16
    sensor counts [T, n] that go through `NAME_from_raw`; the converted input is then an output of
    its own name.  Sequences that do not fit the flash together run one after another, each run at
    most `seconds`.  `objects`: those of `compile_objects`, where they are there already.
    """
    target = target.as_emulated
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        out = Path(name)
        objects = objects or compile_objects(folder, interface, target, out, build=build)
        text = render("trace.c.j2", target, interface, every_step=mode == "trace", raw=raw)
        results: list[SequenceResult] = []
        for part in _parts(sequences, interface, target, objects, raw):
            blob = pack_sequences(part, interface, raw=raw)
            elf = link_program(text, blob, objects, folder, target, out, build=build)
            output = run_elf(target, elf, seconds=seconds)
            results += parse_trace(output, part, interface, mode, raw)
        return results


def self_check(
    folder: Path, interface: Interface, target: Target, sequences: Sequences, *,
    build: BuildOptions = DEFAULT_BUILD, selftest: bool = True, seconds: float = RUN_SECONDS,
    objects: tuple[Path, ...] = (),
) -> list[CheckFailure]:  # fmt: skip
    """The promises (CHECKS) that do not hold on `target`; an empty list means that all hold.

    `selftest=False` is for models emitted without NAME_selftest.c.  Steps of `sequences` must
    return 0.  `objects`: those of `compile_objects` without a self-test, where they are there
    already.
    """
    target = target.as_emulated
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as name:
        out = Path(name)
        objects = objects or compile_objects(folder, interface, target, out, build=build)
        if selftest:
            objects += (compile_selftest(folder, interface, target, out, build=build),)
        failures: list[CheckFailure] = []
        done = 0
        for part in _parts(sequences, interface, target, objects, False):
            chunk = _chunk(part, interface, target)
            text = render("check.c.j2", target, interface, selftest=selftest, chunk=chunk)
            blob = pack_sequences(part, interface)
            elf = link_program(text, blob, objects, folder, target, out, build=build)
            output = run_elf(target, elf, seconds=seconds)
            general = "n" + "t" * selftest + "m" * bool(interface.max_steps)
            failures += _verdicts(output, done, len(part), general)
            done += len(part)
        return list(dict.fromkeys(failures))


def _parts(
    sequences: Sequences, interface: Interface, target: Target, objects: tuple[Path, ...],
    raw: bool,
) -> Iterator[Sequences]:  # fmt: skip
    """Cut the sequences into runs that fit the flash beside the model."""
    room = _room(target, objects)
    part: list[Any] = []
    used = 0
    for index, sequence in enumerate(sequences):
        size = len(pack_sequences([sequence], interface, raw=raw))
        if size > room:
            raise TooLargeError(
                f"target {target.name}: sequence {index} has {size} bytes, {max(room, 0)} fit "
                "beside the model: give shorter sequences"
            )
        if part and used + size > room:
            yield part
            part, used = [], 0
        part.append(sequence)
        used += size
    if part:
        yield part


def _room(target: Target, objects: tuple[Path, ...]) -> int:
    if target.emulator.kind == "native":
        return NATIVE_BLOB_BYTES
    flash = target.emulator.flash_bytes
    if not flash and target.limits is not None:
        flash = target.limits.flash_bytes
    return flash - HARNESS_FLASH - sum(object_sizes(o).flash_bytes for o in objects)


def _chunk(sequences: Sequences, interface: Interface, target: Target) -> int:
    """How many steps one call of run gets: all of them where RAM allows."""
    ports = interface.at("step", interface.inputs)
    longest = max(len(sequence[ports[0].name]) for sequence in sequences)
    step_bytes = sum(p.bytes for p in ports + interface.at("step", interface.outputs))
    largest = AVR_CHUNK if target.emulator.kind == "simavr" else CHUNK_BYTES // step_bytes
    return max(1, min(longest, largest))


def _verdicts(output: str, first: int, sequences: int, general: str) -> list[CheckFailure]:
    """Failures of the checks named by letters: `general` ones, then five of each sequence."""
    expected = general + "gfsir" * sequences
    lines = [line.split() for line in output.split("\n") if line]
    if "".join(line[1] for line in lines if len(line) == 3 and line[0] == "K") != expected:
        raise ToolError(f"the check program printed {output[:120]!r}: some verdict is missing")
    failures = []
    for index, (_, letter, code) in enumerate(lines):
        own = index - len(general)
        sequence = None if own < 0 else first + own // 5
        if code != "0":
            failures.append(CheckFailure(sequence, CHECKS[letter]))
    return failures


def parse_trace(
    output: str, sequences: Sequences, interface: Interface, mode: Mode, raw: bool
) -> list[SequenceResult]:
    """Read the lines of `trace.c.j2`; anything unexpected is an error."""
    lines = iter([line.split() for line in output.split("\n") if line])
    ports = interface.at("step", interface.inputs)
    outputs = interface.at("step", interface.outputs) + (ports[:1] if raw else ())
    results = []
    try:
        for sequence in sequences:
            steps = len(sequence[ports[0].name])
            count = steps if mode == "trace" else min(steps, 1)
            _expect(next(lines), "S", 0)
            rows = [_expect(next(lines), "T", len(outputs) + 1) for _ in range(count)]
            results.append(_result(rows, next(lines), outputs, interface))
    except (StopIteration, ValueError, IndexError) as error:
        raise ToolError(f"the output of the verification program is malformed: {error}") from error
    if next(lines, None) is not None:
        raise ToolError("the verification program printed more than was asked for")
    return results


def _expect(line: list[str], tag: str, buffers: int) -> list[str]:
    if line[0] != tag or len(line) != buffers + 2:
        raise ValueError(f"line {' '.join(line)[:60]!r}, expected {tag} and {buffers} buffers")
    if tag == "S" and _code(line) != 0:
        raise Rnn2cError(f"init returned {_code(line)}")
    return line


def _result(
    rows: list[list[str]], last: list[str], outputs: tuple[Port, ...], interface: Interface
) -> SequenceResult:
    finals = interface.final_outputs
    codes = np.array([_code(row) for row in rows], np.int64)
    final_code = _code(_expect(last, "F", len(finals)))
    return SequenceResult(
        codes,
        {p.name: _numbers(p, [r[2 + i] for r in rows], codes) for i, p in enumerate(outputs)},
        _saved([row[-1] for row in rows], interface),
        {p.name: _numbers(p, [last[2 + i]], np.array([final_code]))[0]
         for i, p in enumerate(finals)},
        final_code,
    )  # fmt: skip


def _code(line: list[str]) -> int:
    return int(np.frombuffer(bytes.fromhex(line[1]), "<i2")[0])


def _wide(port: Port) -> type[np.float64] | type[np.int64]:
    """What holds the values of a port in a SequenceResult."""
    return np.float64 if port.is_float else np.int64


def _numbers(port: Port, texts: list[str], codes: IntArray) -> NumberArray:
    """Hexadecimal rows as numbers [T, n]; rows whose return code is not 0 are zero."""
    data = np.frombuffer(bytes.fromhex("".join(texts)), dtype_of(port))
    rows = data.reshape(len(texts), port.elements).astype(_wide(port))
    rows[codes != 0] = 0
    return rows


def _saved(texts: list[str], interface: Interface) -> dict[str, NumberArray]:
    """Save images as state buffers [T, n]; the model id in front is checked."""
    images = np.frombuffer(bytes.fromhex("".join(texts)), np.uint8)
    images = images.reshape(len(texts), interface.save_bytes)
    for step, image in enumerate(images):
        if int.from_bytes(image[:4].tobytes(), "little") != interface.model_id:
            raise ToolError(f"step {step}: the save image does not begin with the model id")
    saved, offset = {}, 4
    for port in interface.saved:
        part = np.ascontiguousarray(images[:, offset : offset + port.bytes])
        saved[port.name] = part.view(dtype_of(port)).astype(_wide(port))
        offset += port.bytes
    return saved
