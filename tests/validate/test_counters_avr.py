"""The AVR runner: cycles of the data sheet, stack depth, and every way a program can go wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn2c.validate.counters import avr_runner, mark_header
from rnn2c.validate.counters.regions import Region, read_regions, stage_counts

STATUS_USAGE, STATUS_CRASH, STATUS_STACK, STATUS_CYCLES, STATUS_MARKS = range(120, 125)
HEADER = """
#include "mark.h"
#include <avr/io.h>
#include <avr/pgmspace.h>
static volatile uint8_t value;
"""

# name: (assembly, instructions, cycles on ATmega328P, cycles on ATmega2560), from the instruction
# set manual; the 2560 has a 22-bit program counter, which makes calls and returns one cycle longer.
CYCLES = {
    "empty": ("", 0, 0, 0),
    "nop": (".rept 7\n nop\n .endr", 7, 7, 7),
    "ldi, mov, movw": ("ldi r24, 1\n mov r25, r24\n movw r22, r24", 3, 3, 3),
    "add, adc, sub, sbc, and, eor": (
        "add r24, r25\n adc r24, r25\n sub r24, r25\n sbc r24, r25\n and r24, r25\n eor r24, r25",
        6, 6, 6),
    "shifts": ("lsl r24\n rol r25\n lsr r24\n ror r25\n asr r24\n swap r24", 6, 6, 6),
    "adiw, sbiw": ("adiw r24, 1\n sbiw r24, 1", 2, 4, 4),
    "multiply": (
        "mul r24, r25\n muls r24, r25\n mulsu r22, r23\n fmul r22, r23\n fmuls r22, r23\n"
        " fmulsu r22, r23", 6, 12, 12),
    "rjmp": ("rjmp 1f\n 1:", 1, 2, 2),
    "jmp": ("jmp 1f\n 1:", 1, 3, 3),
    "ijmp": ("ldi r30, pm_lo8(1f)\n ldi r31, pm_hi8(1f)\n ijmp\n 1:", 3, 4, 4),
    "branch taken": ("sec\n brcs 1f\n 1:", 2, 3, 3),
    "branch not taken": ("clc\n brcs 1f\n 1:", 2, 2, 2),
    "loop, 1 + 100 * (1 + 1 + 2) - 1": (
        "ldi r24, 100\n 1: nop\n dec r24\n brne 1b", 301, 400, 400),
    "skip one word": ("ldi r24, 0\n sbrs r24, 0\n rjmp 1f\n sbrc r24, 0\n nop\n 1:", 3, 4, 4),
    "skip taken, one word": ("ldi r24, 0\n sbrc r24, 0\n nop", 2, 3, 3),
    "skip taken, two words": ("ldi r24, 0\n sbrc r24, 0\n jmp 0\n cpse r24, r24\n jmp 0", 3, 7, 7),
    "lds, sts": ("lds r24, value\n sts value, r24", 2, 4, 4),
    "ld, st": (
        "ldi r26, lo8(value)\n ldi r27, hi8(value)\n movw r30, r26\n ld r24, X\n ld r24, X+\n"
        " ld r24, -X\n st X, r24\n ldd r24, Z+1\n ld r24, Z\n st Z+, r24\n st -Z, r24", 11, 19, 19),
    "lpm": ("clr r30\n clr r31\n lpm r24, Z\n lpm r24, Z+\n lpm", 5, 11, 11),
    "push, pop": ("push r24\n pop r24", 2, 4, 4),
    "in, out": ("in r24, 0x3f\n out 0x3f, r24", 2, 2, 2),
    "sbi, cbi": ("sbi 0x05, 0\n cbi 0x05, 0", 2, 4, 4),
    "call and return": ("call 1f\n rjmp 2f\n 1: ret\n 2:", 3, 4 + 2 + 4, 5 + 2 + 5),
    "rcall and return": ("rcall 1f\n rjmp 2f\n 1: ret\n 2:", 3, 3 + 2 + 4, 4 + 2 + 5),
    "icall and return": (
        "ldi r30, pm_lo8(1f)\n ldi r31, pm_hi8(1f)\n icall\n rjmp 2f\n 1: ret\n 2:",
        5, 2 + 3 + 2 + 4, 2 + 4 + 2 + 5),
}  # fmt: skip


def moved(amount: int) -> str:
    """Lowers SP by `amount` as compiled code does: first SPH, then SPL."""
    subtract = f"subi r28, lo8({amount})\n sbci r29, hi8({amount})\n"
    return f"in r28, 0x3d\n in r29, 0x3e\n {subtract} out 0x3e, r29\n out 0x3d, r28\n "


CALL = 1000  # stands for the bytes of a return address
# name: (assembly, bytes below the stack pointer at the begin mark)
STACK = {
    "nothing": ("nop", 0),
    "three pushes": ("push r24\n push r24\n push r24\n pop r24\n pop r24\n pop r24", 3),
    "the deepest": ("push r24\n push r24\n pop r24\n pop r24\n push r24\n pop r24", 2),
    "call": ("call 1f\n rjmp 2f\n 1: ret\n 2:", CALL),
    "rcall": ("rcall 1f\n rjmp 2f\n 1: ret\n 2:", CALL),
    "icall": (
        "ldi r30, pm_lo8(1f)\n ldi r31, pm_hi8(1f)\n icall\n rjmp 2f\n 1: ret\n 2:", CALL),
    "a frame": (moved(300) + moved(-300), 300),
    # SP ends in 0xFC or 0xFD in main, so the second move borrows from SPH: between its two writes
    # SP is 256 too low.
    "a borrow between the two bytes of SP": (moved(250) + moved(8) + moved(-258), 258),
}  # fmt: skip
RETURN_ADDRESS = {"atmega328p": 2, "atmega2560": 3}
MCUS = list(RETURN_ADDRESS)

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Builds and runs a program: `program(mcu, body of main, *options of the runner)`."""

    def build_and_run(
        mcu: str, body: str, *options: str, before: str = "", flags: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        source, elf = tmp_path / "main.c", tmp_path / "main.elf"
        source.write_text(
            f"{HEADER}{before}\nint main(void) {{\n{body}\nGPIOR2 = 0;\nfor (;;);\n}}\n"
        )
        command = ["avr-gcc", f"-mmcu={mcu}", f"-I{mark_header().parent}", "-Os", "-Wall", *flags]
        subprocess.run([*command, "-o", str(elf), str(source)], check=True, timeout=20)
        command = [str(avr_runner()), "-m", mcu, *options, str(elf)]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    return build_and_run


def counted(*texts: str) -> str:
    clobbers = ", ".join(f'"r{n}"' for n in range(18, 32) if n not in (28, 29))
    return "\n".join(
        f'RNN2C_COUNT_BEGIN(); __asm__ volatile("{lines}" ::: {clobbers}, "memory");'
        '__asm__ volatile("");\n'
        'RNN2C_COUNT_END(); __asm__ volatile("clr __zero_reg__");'
        for lines in (text.replace("\n", "\\n") for text in texts)
    )


@pytest.mark.parametrize("mcu", MCUS)
def test_cycles_are_those_of_the_data_sheet(mcu: str, program: Program) -> None:
    done = program(mcu, "value = 0;" + counted(*(case[0] for case in CYCLES.values())))
    assert done.returncode == 0, done.stderr
    regions = read_regions(done.stderr)
    got = {name: (r.instructions, r.cycles) for name, r in zip(CYCLES, regions, strict=True)}
    column = 2 + MCUS.index(mcu)
    assert got == {name: (case[1], case[column]) for name, case in CYCLES.items()}


@pytest.mark.parametrize("mcu", MCUS)
def test_stack_is_the_deepest_point_of_the_region(mcu: str, program: Program) -> None:
    done = program(mcu, counted(*(case[0] for case in STACK.values())))
    assert done.returncode == 0, done.stderr
    got = {name: r.stack for name, r in zip(STACK, read_regions(done.stderr), strict=True)}
    address = RETURN_ADDRESS[mcu]
    assert got == {name: address if n == CALL else n for name, (_, n) in STACK.items()}


@pytest.mark.parametrize("mcu", MCUS)
def test_stack_of_a_compiled_function_with_a_known_frame(mcu: str, program: Program) -> None:
    function = """
    __attribute__((noinline)) static void frame(void) {
        volatile uint8_t bytes[300];
        bytes[0] = 1; bytes[299] = 2;
    }
    """
    done = program(mcu, "RNN2C_COUNT_BEGIN(); frame(); RNN2C_COUNT_END();", before=function)
    (region,) = read_regions(done.stderr)
    saved_y = 2
    assert region.stack == 300 + saved_y + RETURN_ADDRESS[mcu]


def test_laps_are_counted_from_the_begin_and_cost_nothing(program: Program) -> None:
    nop = '__asm__ volatile("nop");'
    three = '__asm__ volatile("ldi r24, 3\\n out 0x1e, r24" ::: "r24");'
    body = (
        "for (uint16_t k = 0; k < 300; k++) RNN2C_STAGE_END(9);\n"
        "for (value = 0; value < 2; value++) {"
        f"RNN2C_COUNT_BEGIN(); {nop} RNN2C_STAGE_END(0); {nop}{nop}"
        f"RNN2C_STAGE_END(1); {three} RNN2C_STAGE_END(2); {nop} RNN2C_COUNT_END(); }}"
    )
    done = program("atmega328p", body, flags=("-DRNN2C_COUNT_STAGES",))
    region, again = read_regions(done.stderr)
    assert region == again == Region(5, (1, 3, 4, 4), 5, (1, 3, 4, 4), 0)
    assert region.lap_cycles is not None
    assert stage_counts(region.lap_cycles) == (1, 2, 1, 0)


def test_console_goes_to_stdout_and_counts_to_their_file(program: Program, tmp_path: Path) -> None:
    counts = tmp_path / "counts"
    body = "GPIOR1 = 'h'; GPIOR1 = 'i'; RNN2C_COUNT_BEGIN(); RNN2C_COUNT_END(); GPIOR2 = 7;"
    done = program("atmega328p", body, "-o", str(counts))
    assert (done.returncode, done.stdout, done.stderr) == (7, "hi", "")
    assert read_regions(counts.read_text()) == (Region(0, (), 0, (), 0),)


FRAME = "__attribute__((noinline)) static void down(uint8_t n) { volatile uint8_t a[64]; a[n & 63] = n; if (n) down(n - 1); a[0]++; }"  # noqa: E501
FAULTS = {
    "stack overflow by calls": (FRAME, "down(200);", STATUS_STACK, "stack overflow: SP 0x"),
    "stack overflow by one frame": (
        "static volatile uint8_t big[1500]; __attribute__((noinline)) static void f(void)"
        "{ volatile uint8_t a[600]; a[0] = 1; }",
        "big[0] = 1; f();", STATUS_STACK, "stack overflow: SP 0x"),
    "write above RAM": ("", "*(volatile uint8_t *)0x0900 = 1;", STATUS_CRASH, "0900"),
    "read above RAM": ("", "(void)*(volatile uint8_t *)0x0A00;", STATUS_CRASH, "0a00"),
    "invalid instruction": ("", '__asm__ volatile(".word 0x0001");', STATUS_CRASH, "nvalid"),
    "jump outside the program": (
        "", '__asm__ volatile("ldi r30, 0\\nldi r31, 0x30\\nijmp");', STATUS_CRASH, "PC 0x6000"),
    "jump to itself": ("", "for (;;);", STATUS_CYCLES, "jump to itself"),
    "endless loop": ("", "for (;;) value++;", STATUS_CYCLES, "not finished after 200000 cycles"),
    "begin twice": (
        "", "RNN2C_COUNT_BEGIN(); RNN2C_COUNT_BEGIN();", STATUS_MARKS, "begin mark inside"),
    "end alone": ("", "RNN2C_COUNT_END();", STATUS_MARKS, "end mark outside a region"),
    "exit inside a region": (
        "", "RNN2C_COUNT_BEGIN(); GPIOR2 = 0;", STATUS_MARKS, "ended inside region 1"),
    "unknown mark": ("", "GPIOR0 = 9;", STATUS_MARKS, "unknown mark 9"),
    "sleep": ("", '__asm__ volatile("cli\\nsleep");', STATUS_CRASH, "stopped"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_status_and_one_line(fault: str, program: Program) -> None:
    before, body, status, text = FAULTS[fault]
    done = program("atmega328p", body, "-c", "200000", before=before)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
    assert done.stderr.startswith("avr_run: ")
    assert text in done.stderr


RAM_FAULTS = {
    "atmega328p": ("x[1500]", 0x0900),
    "atmega2560": ("x[7600]", 0x2200),
    "atmega1284p": ("x[15800]", 0x4100),
}
"""Variables that leave no room for 600 bytes more, and the first address behind the RAM."""


@pytest.mark.parametrize("mcu", RAM_FAULTS)
def test_ram_ends_where_that_of_the_part_does(mcu: str, program: Program) -> None:
    big, end = RAM_FAULTS[mcu]
    frame = "__attribute__((noinline)) static void f(void) { volatile uint8_t a[600]; a[0] = 1; }"
    done = program(mcu, "x[0] = 1; f();", before=f"static volatile uint8_t {big}; {frame}")
    assert done.returncode == STATUS_STACK
    assert "stack overflow: SP 0x" in done.stderr
    last, behind = (f"*(volatile uint8_t *)0x{a:04x} = 1; GPIOR2 = 0;" for a in (end - 1, end))
    assert program(mcu, last).returncode == 0
    done = program(mcu, behind)
    assert done.returncode == STATUS_CRASH
    assert f"{end:04x}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-m", "atmega328p"], "usage"),
        (["main.elf"], "usage"),
        (["-m", "atmega328p", "-c", "0", "main.elf"], "option -c wants a positive number"),
        (["-m", "atmega328p", "absent.elf"], "cannot read the ELF file absent.elf"),
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    command = [str(avr_runner()), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False, cwd=tmp_path
    )
    assert done.returncode == STATUS_USAGE
    assert complaint in done.stderr
