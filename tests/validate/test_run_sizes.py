"""Sizes and undefined symbols of objects, against what the toy's source says."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_reference import FOLDER

from rnn2c.errors import Rnn2cError
from rnn2c.target import list_targets, load_target
from rnn2c.validate.sizes import object_sizes, undefined_symbols
from rnn2c.validate.toolchain import BuildOptions, compile_object

TARGETS = [target.name for target in list_targets()]


@pytest.mark.parametrize("name", TARGETS)
def test_constant_arrays_are_found_by_name_and_size(tmp_path: Path, name):
    path = compile_object(FOLDER / "toy.c", load_target(name), tmp_path / "toy.o")
    sizes = object_sizes(path)
    arrays = {s.name: s.bytes for s in sizes.symbols if not s.is_function}
    assert arrays == {"toy_weights": 12, "toy_bias": 10}
    assert 22 <= sizes.rodata <= 32  # alignment, and literals some compilers keep there
    assert (sizes.data, sizes.bss) == (0, 0)
    functions = {s.name: s.bytes for s in sizes.symbols if s.is_function}
    assert {"toy_init", "toy_step", "toy_finish", "toy_run", "toy_save"} <= set(functions)
    assert sum(functions.values()) <= sizes.text <= sum(functions.values()) + 64


def test_a_global_counts_as_ram(tmp_path: Path):
    build = BuildOptions(flags=("-DTOY_FAULT_GLOBAL",))
    path = compile_object(FOLDER / "toy.c", load_target("cortex-m4"), tmp_path / "t.o", build=build)
    sizes = object_sizes(path)
    assert sizes.ram_bytes == 2
    assert [(s.name, s.kind) for s in sizes.symbols if s.name == "shared"] == [("shared", "bss")]


def test_undefined_symbols_show_library_calls(tmp_path: Path):
    target = load_target("cortex-m4")
    plain = compile_object(FOLDER / "toy.c", target, tmp_path / "toy.o")
    assert set(undefined_symbols(plain)) <= {"memcpy", "memset"}
    build = BuildOptions(flags=("-DTOY_FAULT_EXIT",))
    leaving = compile_object(FOLDER / "toy.c", target, tmp_path / "exit.o", build=build)
    assert "exit" in undefined_symbols(leaving)


def test_a_file_that_is_no_object_is_refused():
    with pytest.raises(Rnn2cError, match=r"toy\.c is no object or ELF file"):
        object_sizes(FOLDER / "toy.c")
