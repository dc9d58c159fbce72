"""The verification program: rendered from `templates/harness`, linked with the emitted model.

Sequences are packed into one binary file that the program includes, so its C depends on the
interface only.  Layout (little-endian): number of sequences (u16), then for each: steps (u16), one
bit per per-sequence input that is given (u16), these inputs, then the inputs of each step.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from rnn2c.data import templates_dir
from rnn2c.errors import Rnn2cError, TooLargeError
from rnn2c.ir.interface import Interface, Port
from rnn2c.target import Target
from rnn2c.validate.sizes import object_sizes
from rnn2c.validate.toolchain import DEFAULT_BUILD, BuildOptions, compile_object, link

BLOB = "sequences.bin"
MAX_STEPS = 65_535
STACK_BYTES = 16_384
AVR_STACK_BYTES = 160
ENTRIES = {"arm": "reset", "riscv": "_start"}
BLOB_SECTIONS = {
    "arm": r".rodata.sequences, \"a\"",
    "riscv": r".rodata.sequences, \"a\"",
    "native": r".rodata.sequences, \"a\"",
    "avr": r".text.sequences, \"ax\"",  # behind the model, whose tables need the low addresses
}

Sequences = Sequence[Mapping[str, NDArray[Any]]]


def pack_sequences(sequences: Sequences, interface: Interface, *, raw: bool = False) -> bytes:
    """The binary file of the sequences; `raw`: the first per-step input is int16 sensor counts.

    Raises Rnn2cError naming the sequence and the port whose array does not fit.
    """
    parts = [struct.pack("<H", len(sequences))]
    return b"".join(parts + [_packed(i, s, interface, raw) for i, s in enumerate(sequences)])


def render(template: str, target: Target, interface: Interface, **context: Any) -> str:
    """One C file of the verification program; `template` is a name in `templates/harness`."""
    return _environment().get_template(template).render(
        model=interface,
        macro=interface.name.upper(),
        harness=target.harness,
        emulator=target.emulator,
        blob_section=BLOB_SECTIONS[target.harness],
        blob_file=BLOB,
        step_inputs=interface.at("step", interface.inputs),
        step_outputs=interface.at("step", interface.outputs),
        sequence_inputs=interface.at("sequence", interface.inputs),
        final_outputs=interface.final_outputs,
        **{"raw": False, **context},
    )  # fmt: skip


def compile_objects(
    folder: Path, interface: Interface, target: Target, out: Path, *,
    build: BuildOptions = DEFAULT_BUILD,
) -> tuple[Path, ...]:  # fmt: skip
    """Objects of NAME.c and of its shared tables in `folder`."""
    names = [interface.name, *filter(None, [interface.tables_file])]
    return tuple(_compiled(folder, name, target, out, build) for name in names)


def compile_selftest(
    folder: Path, interface: Interface, target: Target, out: Path, *,
    build: BuildOptions = DEFAULT_BUILD,
) -> Path:  # fmt: skip
    """The object of NAME_selftest.c in `folder`."""
    return _compiled(folder, f"{interface.name}_selftest", target, out, build)


def _compiled(folder: Path, name: str, target: Target, out: Path, build: BuildOptions) -> Path:
    file = folder / f"{name}.c"
    if not file.is_file():
        raise Rnn2cError(f"there is no {file.name} in {folder}: emit the model there first")
    return compile_object(file, target, out / f"{name}.o", build=build)


def link_program(
    text: str, blob: bytes, objects: tuple[Path, ...], folder: Path, target: Target, out: Path, *,
    build: BuildOptions = DEFAULT_BUILD,
) -> Path:  # fmt: skip
    """Write program and sequences to the folder `out`, link them with the model's objects.

    Returns the ELF file.  Raises TooLargeError if it does not fit a target that has no larger
    emulated machine (AVR).
    """
    main = out / "main.c"
    main.write_text(text, encoding="utf-8")
    (out / BLOB).write_bytes(blob)
    script = None
    if target.emulator.kind == "qemu":
        script = out / "program.ld"
        script.write_text(_linker_script(target), encoding="utf-8")
    elf = out / "program.elf"
    link(main, objects, target, elf, include=folder, script=script, build=build)
    if target.emulator.kind == "simavr":
        check_fits(elf, target)
    return elf


def check_fits(elf: Path, target: Target) -> None:
    """Refuse a program beyond the part's flash or RAM, some stack included: the linker does not."""
    if target.limits is None:
        return
    sizes, limits = object_sizes(elf), target.limits
    for what, needed, available in (
        ("flash", sizes.flash_bytes, target.emulator.flash_bytes or limits.flash_bytes),
        ("RAM", sizes.ram_bytes + AVR_STACK_BYTES, limits.ram_bytes),
    ):
        if needed > available:
            raise TooLargeError(
                f"target {target.name}: the verification program needs {needed} bytes of {what}, "
                f"{available} are there: give shorter sequences or a smaller model"
            )


def _linker_script(target: Target) -> str:
    return _environment().get_template("qemu.ld.j2").render(
        emulator=target.emulator, entry=ENTRIES[target.harness], stack_bytes=STACK_BYTES
    )  # fmt: skip


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(templates_dir() / "harness"),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip


def _packed(
    index: int, sequence: Mapping[str, NDArray[Any]], interface: Interface, raw: bool
) -> bytes:
    known = {port.name for port in interface.inputs}
    for name in sequence:
        if name not in known:
            raise Rnn2cError(f"sequence {index}: the model has no input {name!r}")
    ports = interface.at("step", interface.inputs)
    if raw:
        ports = (Port(ports[0].name, "int16_t", ports[0].size), *ports[1:])
    steps = _step_count(index, sequence, ports)
    once = interface.at("sequence", interface.inputs)
    given = sum(1 << i for i, port in enumerate(once) if port.name in sequence)
    zero = {port.name: np.zeros(port.size, dtype_of(port)) for port in once}
    parts = [struct.pack("<HH", steps, given)]
    parts += [_array(index, port, {**zero, **sequence}, ()).tobytes() for port in once]
    arrays = [_array(index, port, sequence, (steps,)) for port in ports]
    rows = [a.view(np.uint8).reshape(steps, a.itemsize * a.shape[1]) for a in arrays]
    return b"".join([*parts, np.hstack(rows).tobytes()])


def _step_count(
    index: int, sequence: Mapping[str, NDArray[Any]], ports: tuple[Port, ...]
) -> int:  # fmt: skip
    for port in ports:
        if port.name not in sequence:
            raise Rnn2cError(f"sequence {index}: the input {port.name!r} is missing")
    steps = len(sequence[ports[0].name])
    if steps > MAX_STEPS:
        raise Rnn2cError(f"sequence {index}: {steps} steps, at most {MAX_STEPS} can be verified")
    return steps


def _array(
    index: int, port: Port, sequence: Mapping[str, NDArray[Any]], leading: tuple[int, ...]
) -> NDArray[Any]:
    """One input as a C-contiguous little-endian array of the port's type."""
    array, shape = np.asarray(sequence[port.name]), (*leading, port.size)
    where = f"sequence {index}, input {port.name!r}"
    if array.shape != shape:
        raise Rnn2cError(f"{where}: shape {array.shape}, expected {shape}")
    if not np.issubdtype(array.dtype, np.floating if port.is_float else np.integer):
        kind = "floats" if port.is_float else "integers"
        raise Rnn2cError(f"{where}: type {array.dtype}, expected {kind}")
    dtype = dtype_of(port)
    if port.is_float:
        return np.ascontiguousarray(array, dtype)
    limits = np.iinfo(dtype)
    if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
        raise Rnn2cError(f"{where}: values outside of {port.ctype}")
    return np.ascontiguousarray(array, dtype)


def dtype_of(port: Port) -> np.dtype[Any]:
    """The little-endian numpy type of a port."""
    if port.is_float:
        return np.dtype("<f4")
    return np.dtype(port.ctype.removesuffix("_t")).newbyteorder("<")
