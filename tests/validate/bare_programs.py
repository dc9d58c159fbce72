"""Bare programs for one machine, a few instructions between marks, and what the plugin counts."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from rnn2c.validate.counters import mark_header, qemu_plugin

MARKS = '#include "mark.h"\n'
ARM_START = """
__asm__(".section .vectors,\\"a\\"\\n .word 0x20010000, main\\n .text");
static void quit(void) {
    __asm__ volatile("ldr r1, =0x20026\\n movs r0, #0x18\\n bkpt 0xab" ::: "r0", "r1");
}
"""
RISCV_START = """
__asm__(".section .vectors,\\"ax\\"\\n la sp, 0x80100000\\n j main\\n .text");
static const long arguments[2] = {0x20026, 0};
static void quit(void) {
    __asm__ volatile("li a0, 0x20\\n mv a1, %0\\n .balign 16\\n .option push\\n .option norvc\\n"
                     "slli x0, x0, 0x1f\\n ebreak\\n srai x0, x0, 7\\n .option pop"
                     :: "r"(arguments) : "a0", "a1", "memory");
}
"""


@dataclass(frozen=True)
class Machine:
    """How to build and start one bare program."""

    start: str
    compiler: tuple[str, ...]
    emulator: tuple[str, ...]


ARM = Machine(
    ARM_START,
    ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Wl,-Ttext=0x400",
     "-Wl,--section-start=.vectors=0"),
    ("qemu-system-arm", "-M", "mps2-an386"),
)  # fmt: skip
RISCV = Machine(
    RISCV_START,
    ("riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-mno-relax",
     "-Wl,-Ttext=0x80001000", "-Wl,--section-start=.vectors=0x80000000"),
    ("qemu-system-riscv32", "-M", "virt", "-bios", "none"),
)  # fmt: skip


def count(machine: Machine, body: str, folder: Path, *flags: str, timing: str | None = None) -> str:
    """Text of the COUNTS file of a program whose main executes the C statements `body`."""
    source, elf, counts = folder / "main.c", folder / "main.elf", folder / "counts"
    source.write_text(
        f"{MARKS}{machine.start}\nint main(void) {{\n{body}\nquit();\nfor (;;);\n}}\n"
    )
    command = [*machine.compiler, *flags, f"-I{mark_header().parent}", "-O1", "-Wall", "-Werror"]
    command += ["-ffreestanding", "-nostdlib", "-nostartfiles", "-o", str(elf), str(source)]
    subprocess.run(command, check=True, timeout=20)
    model = f",timing={timing}" if timing else ""
    semihosting = ["-semihosting-config", "enable=on,target=native", "-nographic"]
    plugin = ["-plugin", f"{qemu_plugin()},out={counts}{model}"]
    command = [*machine.emulator, *semihosting, *plugin, "-kernel", str(elf)]
    subprocess.run(command, check=True, timeout=20, stdin=subprocess.DEVNULL)
    return counts.read_text()


def assembly(text: str) -> str:
    lines = text.replace("\n", "\\n")
    return f'__asm__ volatile("{lines}" ::: "memory");' if text else ""
