"""Building the counting tools on demand, and reading what they print and what they compiled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn2c.errors import MissingToolError, Rnn2cError
from rnn2c.validate import counters
from rnn2c.validate.counters.regions import Region, read_regions
from rnn2c.validate.counters.sizes import FlashSizes, SymbolRule, split_flash
from rnn2c.validate.sizes import object_sizes

BUILD = "from rnn2c.validate.counters import avr_runner, qemu_plugin; avr_runner(); qemu_plugin()"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, and no memory of what was built in this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    counters._built.cache_clear()
    yield tmp_path / "rnn2c"
    counters._built.cache_clear()


def test_a_tool_is_built_once(empty_cache: Path) -> None:
    path = counters.qemu_plugin()
    built = path.stat().st_mtime_ns
    counters._built.cache_clear()
    assert counters.qemu_plugin() == path
    assert path.parent == empty_cache
    assert path.stat().st_mtime_ns == built


def test_parallel_builds_do_not_collide(empty_cache: Path) -> None:
    command = [sys.executable, "-c", BUILD]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    errors = [worker.communicate(timeout=60)[1] for worker in workers]
    assert errors == [b""] * 4
    assert sorted(p.name.split("-")[0] for p in empty_cache.iterdir()) == ["avr_run", "qemu_count"]
    assert all(os.access(p, os.X_OK) for p in empty_cache.iterdir())


def test_changed_source_gives_another_file(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counters.qemu_plugin()
    for name in ("qemu_count.c", "qemu_plugin_api.h", "thumb.h", "thumb_timing.h"):
        text = (counters.SOURCES / name).read_text()
        (tmp_path / name).write_text(text.replace("MAX_LAPS = 256", "MAX_LAPS = 255"))
    monkeypatch.setattr(counters, "SOURCES", tmp_path)
    counters._built.cache_clear()
    assert counters.qemu_plugin() != before


def test_without_a_compiler_the_error_names_the_packages(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(empty_cache))
    with pytest.raises(MissingToolError, match="install gcc, libsimavr-dev, libelf-dev, simavr"):
        counters.avr_runner()


def test_without_simavr_the_error_names_header_and_packages(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (counters.SOURCES / "avr_run.c").read_text()
    (tmp_path / "avr_run.c").write_text(text.replace("<simavr/", "<no_simavr/"))
    shutil.copy(counters.SOURCES / "avr_region.h", tmp_path)
    monkeypatch.setattr(counters, "SOURCES", tmp_path)
    with pytest.raises(MissingToolError, match=r"no_simavr/sim_avr\.h.*install gcc, libsimavr-dev"):
        counters.avr_runner()
    assert not any(empty_cache.glob("*"))


def test_an_unwritable_cache_is_one_line(empty_cache: Path) -> None:
    empty_cache.write_text("a file where the folder should be")
    with pytest.raises(Rnn2cError, match="set XDG_CACHE_HOME"):
        counters.qemu_plugin()


def test_a_missing_region_is_an_error() -> None:
    first = '{"region": 1, "instructions": 3, "lap_instructions": [1]}\n'
    assert read_regions(first) == (Region(3, (1,)),)
    with pytest.raises(Rnn2cError, match="region 2 is missing"):
        read_regions(first + first.replace('"region": 1', '"region": 3'))


MODEL = """
#include <stdint.h>
{progmem}
static const int8_t net_lstm_weights[40] FLASH = {{1}};
static const int16_t net_lstm_bias[6] FLASH = {{2}};
static const int16_t net_tanh_table[10] FLASH = {{3}};
static const uint8_t net_something[3] FLASH = {{4}};
int16_t net_state[9] = {{0}};
const volatile void *net_get(uint8_t k);
const volatile void *net_get(uint8_t k)
{{
    static const volatile void *const all[4] = {{
        net_lstm_weights, net_lstm_bias, net_tanh_table, net_something}};
    return all[k & 3];
}}
"""
COMPILERS = {
    "arm": (["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"], "#define FLASH", 4 * 4),
    "riscv": (
        ["riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-ffreestanding"],
        "#define FLASH",
        4 * 4,
    ),
    "avr": (
        ["avr-gcc", "-mmcu=atmega328p"],
        "#include <avr/pgmspace.h>\n#define FLASH PROGMEM",
        4 * 2,
    ),
}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_flash_is_split_by_symbol_and_adds_up(compiler: str, tmp_path: Path) -> None:
    command, progmem, pointers = COMPILERS[compiler]
    source, built = tmp_path / "net.c", tmp_path / "net.o"
    source.write_text(MODEL.format(progmem=progmem))
    subprocess.run([*command, "-Os", "-c", "-o", str(built), str(source)], check=True, timeout=20)
    sizes = split_flash([object_sizes(built)])
    assert (sizes.weights, sizes.tables) == (40 + 12, 20)
    assert 3 + pointers <= sizes.other <= 3 + pointers + 8
    assert 4 <= sizes.code <= 40
    rule = SymbolRule(weights=("*_weights",), tables=("*_table", "*_bias"))
    moved = split_flash([object_sizes(built)], rule)
    assert moved == FlashSizes(sizes.code, 40, 32, sizes.other)


def test_code_is_what_the_functions_need(tmp_path: Path) -> None:
    source, built = tmp_path / "code.s", tmp_path / "code.o"
    source.write_text(
        ".syntax unified\n.thumb\n.text\n.rept 10\nnop\n.endr\n"
        "k_table: .word 1, 2\n.type k_table, %object\n.size k_table, 8\n.bss\n.space 100\n"
    )
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-c", "-o", str(built), str(source)]
    subprocess.run(command, check=True, timeout=20)
    assert split_flash([object_sizes(built)]) == FlashSizes(code=20, weights=0, tables=8, other=0)
