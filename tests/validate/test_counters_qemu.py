"""The QEMU plugin counts known instruction sequences exactly, on Arm and on RISC-V."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bare_programs import ARM, RISCV, Machine, assembly, count

from rnn2c.errors import Rnn2cError
from rnn2c.validate.counters import qemu_plugin
from rnn2c.validate.counters.regions import Region, read_regions, stage_counts

ARM_CASES = {
    "empty": ("", 0),
    "7 nops": (".rept 7\n nop\n .endr", 7),
    "32-bit instructions": (".rept 5\n mov.w r0, #257\n .endr", 5),
    "loop, 1 + 100 * 3": ("movs r0, #100\n 1: nop\n subs r0, #1\n bne 1b", 301),
    "call and return": ("bl 1f\n b 2f\n 1: bx lr\n 2:", 3),
    "IT block, two of three executed": (
        "movs r0, #0\n cmp r0, #0\n itte eq\n moveq r1, #1\n moveq r2, #2\n movne r1, #3", 6),
    "IT block that skips a load": ("movs r0, #0\n cmp r0, #0\n it ne\n ldrne r1, [r0]", 4),
    "load and store multiple": ("push {r0-r7}\n pop {r0-r7}", 2),
    "16-bit instruction at a page end": (
        "b 1f\n .balign 1024\n .space 1020\n 1: nop\n nop\n nop\n nop", 5),
    "32-bit instruction across a page end": (
        "b 1f\n .balign 1024\n .space 1022\n 1: mov.w r0, #257\n nop", 3),
    "32-bit instruction that ends a page": (
        "b 1f\n .balign 1024\n .space 1020\n 1: mov.w r0, #257\n nop", 3),
    "a loop across a page end, 2 + 50 * 3": (
        "movs r0, #50\n b 1f\n .balign 1024\n .space 1022\n 1: nop\n subs r0, #1\n bne 1b", 152),
    "end mark is the last instruction of a page": (
        "b 1f\n .balign 1024\n .space 1020\n 1: nop", 2),
    "end mark is the first instruction of a page": (
        "b 1f\n .balign 1024\n .space 1022\n 1: nop", 2),
    "moves that resemble marks": ("mov r10, r9\n mov r11, r10", 2),
}  # fmt: skip
RISCV_CASES = {
    "empty": ("", 0),
    "7 compressed nops": (".rept 7\n c.nop\n .endr", 7),
    "5 plain nops": (".option push\n .option norvc\n .rept 5\n nop\n .endr\n .option pop", 5),
    "loop, 1 + 100 * 3": ("li t0, 100\n 1: nop\n addi t0, t0, -1\n bnez t0, 1b", 301),
    "call and return": ("jal t0, 1f\n j 2f\n 1: jr t0\n 2:", 3),
    "multiply and divide": ("mul t0, t1, t2\n div t0, t1, t2", 2),
    "hint next to a mark": (".4byte 0x00d00013\n .4byte 0x00900013", 2),
    "compressed instruction at a page end": (
        "j 1f\n .balign 4096\n .space 4092\n 1: c.nop\n c.nop\n c.nop", 4),
    "32-bit instruction across a page end": (
        "j 1f\n .balign 4096\n .space 4094\n 1: .option push\n .option norvc\n nop\n .option pop\n"
        " c.nop", 3),
    "end mark across a page end": ("j 1f\n .balign 4096\n .space 4092\n 1: c.nop", 2),
}  # fmt: skip


def regions_of(
    machine: Machine, cases: dict[str, tuple[str, int]], folder: Path
) -> dict[str, Region]:
    body = "\n".join(
        f"RNN2C_COUNT_BEGIN(); {assembly(text)} RNN2C_COUNT_END();" for text, _ in cases.values()
    )
    return dict(zip(cases, read_regions(count(machine, body, folder)), strict=True))


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Region]:
    return regions_of(ARM, ARM_CASES, tmp_path_factory.mktemp("arm"))


@pytest.fixture(scope="module")
def riscv(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Region]:
    return regions_of(RISCV, RISCV_CASES, tmp_path_factory.mktemp("riscv"))


@pytest.mark.parametrize("case", ARM_CASES)
def test_arm_instructions_are_counted_exactly(arm: dict[str, Region], case: str) -> None:
    assert arm[case].instructions == ARM_CASES[case][1]


@pytest.mark.parametrize("case", RISCV_CASES)
def test_riscv_instructions_are_counted_exactly(riscv: dict[str, Region], case: str) -> None:
    assert riscv[case].instructions == RISCV_CASES[case][1]


@pytest.mark.parametrize("machine", [ARM, RISCV], ids=["arm", "riscv"])
def test_laps_are_counted_from_the_begin_and_cost_nothing(machine: Machine, tmp_path: Path) -> None:
    body = (
        "for (volatile int k = 0; k < 300; k++) RNN2C_STAGE_END(9);\n"
        "for (volatile int k = 0; k < 2; k++) {"
        f"RNN2C_COUNT_BEGIN(); {assembly('nop')} RNN2C_STAGE_END(0);"
        f"{assembly('nop' + chr(10) + 'nop')} RNN2C_STAGE_END(1); RNN2C_STAGE_END(2);"
        f"{assembly('nop')} RNN2C_COUNT_END(); }}"
    )
    region, again = read_regions(count(machine, body, tmp_path, "-DRNN2C_COUNT_STAGES"))
    assert region == again
    assert region.instructions == 4
    assert region.lap_instructions == (1, 3, 3)
    assert stage_counts(region.lap_instructions) == (1, 2, 0)
    assert region.cycles is None


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("RNN2C_COUNT_BEGIN(); RNN2C_COUNT_BEGIN(); RNN2C_COUNT_END();", "begin marker inside"),
        ("RNN2C_COUNT_END();", "end marker outside"),
        ("RNN2C_COUNT_BEGIN();", "ended inside a region"),
    ],
)
def test_misplaced_markers_are_errors(body: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(Rnn2cError, match=complaint):
        read_regions(count(ARM, body, tmp_path))


def test_too_many_laps_are_an_error(tmp_path: Path) -> None:
    body = (
        "RNN2C_COUNT_BEGIN(); for (volatile int k = 0; k < 257; k++) RNN2C_COUNT_LAP();"
        "RNN2C_COUNT_END();"
    )
    with pytest.raises(Rnn2cError, match="too many laps"):
        read_regions(count(ARM, body, tmp_path))


def test_an_unknown_plugin_argument_stops_the_emulator(tmp_path: Path) -> None:
    command = [*ARM.emulator, "-nographic", "-plugin", f"{qemu_plugin()},counts={tmp_path}/counts"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert "unknown argument 'counts=" in done.stderr
