"""Tables that models of one firmware share: one copy, the same bits, and nothing stale compiles."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from building import Build, Built, run_main
from firmware import data, statements, wanted, without_initial_states
from fixed import EXACT_OPTIONS, single
from models import Case

import rnn2c
from rnn2c.budget import budget
from rnn2c.errors import Rnn2cError
from rnn2c.pipeline import share_tables
from rnn2c.validate.measure import measure
from rnn2c.validate.sizes import Symbol, object_sizes
from rnn2c.validate.toolchain import ToolError, run_tool
from rnn2c.validate.verify import verify

TABLES = "sensors_tables.c"


def lstm(options: str = "int8") -> Case:
    return single("ear", "lstm", EXACT_OPTIONS[options], units=6)


def gru(options: str = "int16") -> Case:
    return single("hand", "gru", EXACT_OPTIONS[options], units=5, inputs=3)


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def tables_in(elf: Path) -> list[Symbol]:
    return [s for s in object_sizes(elf).symbols if "_table" in s.name]


def firmware(models: list[Built], folder: Path) -> Path:
    """Link the models into one firmware and run it, every output as the reference has it."""
    sequences = [without_initial_states(m, k) for k, m in enumerate(models)]
    body = "".join(data(m, s) for m, s in zip(models, sequences, strict=True))
    folder.mkdir()
    lines = run_main(models, body, statements(models), folder)
    expected = wanted(models, sequences)
    assert lines[: len(expected)] == expected
    return folder / "program.elf"


@pytest.mark.parametrize(
    "target", ["host", "cortex-m0plus", "cortex-m4", "cortex-m55", "atmega2560", "rv32imc"]
)
def test_a_firmware_has_one_copy_of_what_its_models_share(
    target: str, build: Build, tmp_path: Path
) -> None:
    apart = [build(case, target, "apart") for case in (lstm(), gru())]
    shared = [build(case, target, "shared", shared_tables="sensors") for case in (lstm(), gru())]
    assert [m.program.model_id for m in apart] == [m.program.model_id for m in shared]
    before = firmware(apart, tmp_path / "before")
    after = firmware(shared, tmp_path / "after")
    assert sum(s.bytes for s in tables_in(before)) == 2 * 2048
    assert sorted(s.bytes for s in tables_in(after)) == [1024, 1024]
    saved = object_sizes(before).flash_bytes - object_sizes(after).flash_bytes
    assert 2048 - 64 <= saved <= 2048 + 64
    assert object_sizes(after).ram_bytes <= object_sizes(before).ram_bytes


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0plus", "atmega328p"])
def test_verify_and_bench_link_the_tables(target: str, build: Build) -> None:
    apart = build(gru("compact"), target, "apart")
    made = build(gru("compact"), target, "shared", shared_tables="sensors")
    sequences = made.sequences(4)
    report = verify(made.program, made.folder, sequences)
    assert report.bit_exact, report.to_json()
    counted = [measure(m.folder, m.program.interface(), m.target, sequences[0])
               for m in (apart, made)]  # fmt: skip
    assert counted[0].flash.tables == counted[1].flash.tables == 1024
    assert (counted[0].ram, counted[0].step) == (counted[1].ram, counted[1].step)
    bound = budget(made.program)
    assert counted[1].flash.total <= bound.flash
    assert counted[1].stack_bytes <= bound.stack


def test_the_order_of_builds_does_not_matter_and_what_nobody_uses_goes(build: Build) -> None:
    cases = [lstm(), gru("fast"), single("leg", "gru", EXACT_OPTIONS["compact"])]
    for case in cases:
        build(case, folder="one", shared_tables="sensors")
    for case in reversed(cases):
        made = build(case, folder="other", shared_tables="sensors")
    one, other = (content(made.folder.parent / f) for f in ("one", "other"))
    assert one == other
    text = one[TABLES].decode()
    assert [t in text for t in ("sigmoid_table", "direct_table", "u8_table")] == [True] * 3
    build(gru("int8"), folder="one", shared_tables="sensors")  # no longer fast
    text = content(made.folder.parent / "one")[TABLES].decode()
    assert [t in text for t in ("sigmoid_table", "direct_table", "u8_table")] == [True, False, True]


def test_levels_and_names_keep_their_tables_apart(build: Build) -> None:
    build(lstm(), folder="one", shared_tables="sensors", level="size")
    made = build(gru(), folder="one", shared_tables="sensors")
    text = made.folder.joinpath(TABLES).read_text(encoding="ascii")
    assert (text.count("sensors_sigmoid_table_"), text.count("sensors_tanh_table_")) == (2, 2)
    other = build(single("leg", "gru", EXACT_OPTIONS["int8"]), folder="one", shared_tables="own")
    assert (other.folder / "own_tables.c").is_file()
    assert made.folder.joinpath(TABLES).read_text(encoding="ascii") == text


def test_without_the_option_and_without_tables_there_is_no_such_file(build: Build) -> None:
    relu = single("plain", "relu", EXACT_OPTIONS["int8"])
    for case, name in ((lstm(), None), (relu, "sensors")):
        made = build(case, folder=case.model.name, shared_tables=name)
        assert not [p for p in made.folder.iterdir() if "tables" in p.name]
        assert "_tables.h" not in made.text()


def test_a_stale_file_does_not_compile(build: Build, tmp_path: Path) -> None:
    old = build(lstm(), folder="old", shared_tables="sensors")
    new = build(gru("fast"), folder="new", shared_tables="sensors")
    shutil.copy(old.folder / "sensors_tables.h", new.folder)
    with pytest.raises(ToolError, match=r"sensors_tables\.h lacks a table of hand\.c"):
        new.compiled(tmp_path)
    source = new.folder / TABLES
    command = ["gcc", "-I", str(new.folder), "-c", str(source), "-o", "t.o"]
    with pytest.raises(ToolError, match=r"come from different builds"):
        run_tool(command, tmp_path, "compiling")


def test_tables_of_another_kind_of_target_or_another_hand_are_refused(build: Build) -> None:
    made = build(lstm(), folder="one", shared_tables="sensors")
    before = content(made.folder)
    with pytest.raises(Rnn2cError, match=r"sensors_tables\.c was changed, or made by another ver"):
        build(gru(), "atmega2560", "one", shared_tables="sensors")
    assert content(made.folder) == before
    text = before[TABLES].decode()
    for wrong, message in (
        (text.replace("    720", "    721", 1), "was changed"),
        ("/* x */\nconst int32_t t[1] RNN2C_ROM = {\n" + "    1, \n" * 40, "no tables of rnn2c"),
        ("int mine;\n", "has no tables of rnn2c"),
    ):
        assert wrong != text
        made.folder.joinpath(TABLES).write_text(wrong)
        with pytest.raises(Rnn2cError, match=message):
            build(gru(), folder="one", shared_tables="sensors")
        assert made.folder.joinpath(TABLES).read_text() == wrong
        assert "hand.c" not in content(made.folder)


def test_what_else_is_in_the_folder_does_not_matter(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    (folder / "folder.c").mkdir(parents=True)
    os.mkfifo(folder / "pipe.c")
    (folder / "latin.c").write_bytes(b"/* \xe9\x00 */")
    assert (build(lstm(), folder="one", shared_tables="sensors").folder / TABLES).is_file()


def test_the_python_api_shares_tables(tmp_path: Path) -> None:
    for cell, name in (("lstm", "ear"), ("gru", "hand")):
        case = single(name, cell, EXACT_OPTIONS["int8"])
        integer = rnn2c.quantize(case.model, case.data)
        program = rnn2c.compile(integer, shared_tables="sensors")
        program.emit(tmp_path)
        assert rnn2c.verify(program, case.data).bit_exact
    assert [p.name for p in sorted(tmp_path.glob("*.c")) if "selftest" not in p.name] == [
        "ear.c", "hand.c", TABLES
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "Sensors", "a-b", "2nd", "int", "../up", "a_t"])
def test_names_that_c_files_cannot_have_are_refused(name: str, build: Build) -> None:
    with pytest.raises(Rnn2cError, match=r"--shared-tables .*: give a name that C files can have"):
        share_tables(build(lstm()).program, name)


def test_a_model_may_not_have_the_name_of_the_tables(build: Build) -> None:
    case = single("ear_tables", "lstm", EXACT_OPTIONS["int8"])
    with pytest.raises(Rnn2cError, match="the model is called ear_tables itself"):
        share_tables(build(case).program, "ear")


@pytest.mark.parametrize(("target", "compiler"), [("host", "g++"), ("atmega2560", "avr-g++")])
def test_shared_tables_link_as_cpp(
    target: str, compiler: str, build: Build, tmp_path: Path
) -> None:
    """A constant of C++ is static unless it is declared before."""
    made = build(lstm(), target, shared_tables="sensors")
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", *made.target.compiler.flags, "-x", "c++"]
    for file in (f"{made.name}.c", TABLES):
        command = [compiler, *flags, "-c", str(made.folder / file), "-o", f"{file}.o"]
        run_tool(command, tmp_path, f"compiling {file} as C++")
    objects = [f"{made.name}.c.o", f"{TABLES}.o"]
    run_tool([compiler, *made.target.compiler.flags, "-r", "-nostdlib", *objects, "-o", "all.o"],
             tmp_path, "linking")  # fmt: skip
    assert len(tables_in(tmp_path / f"{TABLES}.o")) == 2
