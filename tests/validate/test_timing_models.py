"""The timing models of docs/cycles.md, instruction by instruction, on code in QEMU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bare_programs import ARM, RISCV, assembly, count

from rnn2c.target import list_targets
from rnn2c.validate.counters import qemu_plugin
from rnn2c.validate.counters.regions import Region, read_regions, stage_counts

MODELS = ("cortex-m0plus", "cortex-m3", "cortex-m4")
BELOW = "sub r1, sp, #64\n nop\n"  # 2 cycles: r1 is memory of nobody
TO_WORD = "b 3f\n .balign 4\n nop\n nop\n 3: "  # 2 cycles: the next instruction begins a word
NO_IT = None  # the core has no such instruction

# cycles on M0+, M3, M4
CASES: dict[str, tuple[str, tuple[int | None, int, int]]] = {
    "empty": ("", (0, 0, 0)),
    "7 nops": (".rept 7\n nop\n .endr", (7, 7, 7)),
    "loop of 100 turns, the branch taken 99 times": (
        "movs r0, #100\n 1: nop\n subs r0, #1\n bne 1b", (400, 400, 400)),
    "call and return": ("bl 1f\n b 2f\n 1: bx lr\n 2:", (7, 7, 7)),
    "branch to a 32-bit instruction that begins a word": (
        f"{TO_WORD}b 1f\n nop\n 1: mov.w r0, #257", (5, 5, 5)),
    "branch to a 32-bit instruction across words": (
        f"{TO_WORD}b 1f\n nop\n nop\n 1: mov.w r0, #257", (5, 6, 6)),
    "compare and branch": ("movs r0, #0\n cbz r0, 1f\n nop\n 1: nop", (4, 4, 4)),
    "return from the stack": (
        "adr r0, 1f\n adds r0, #1\n push {r0}\n pop {pc}\n nop\n .balign 4\n 1:", (8, 9, 9)),
    "table branch": (
        "movs r0, #1\n nop\n tbb [pc, r0]\n .byte 1, 2\n nop\n nop\n nop", (None, 10, 10)),
    "eight registers there and back": ("push {r0-r7}\n pop {r0-r7}", (18, 18, 18)),
    "two registers there and back": (
        f"{BELOW}strd r2, r3, [r1]\n ldrd r2, r3, [r1]", (None, 8, 8)),
    "one load": ("ldr r0, [sp]", (2, 2, 2)),
    "loads in a row": ("ldr r0, [sp]\n ldr r2, [sp]\n ldrb r3, [sp]", (6, 4, 4)),
    "a load behind something else": ("ldr r0, [sp]\n nop\n ldr r2, [sp]", (5, 5, 5)),
    "a load whose address was loaded": (
        f"{BELOW}str r1, [r1]\n ldr r2, [r1]\n ldr r3, [r2]", (8, 7, 7)),
    "a load whose address was computed": ("mov r1, sp\n ldr r0, [r1]", (3, 4, 4)),
    "a load whose address was computed earlier": ("mov r1, sp\n nop\n ldr r0, [r1]", (4, 4, 4)),
    "loads that move their base": (
        f"{BELOW}ldr r0, [r1], #4\n ldr r2, [r1], #4\n ldr r3, [r1]", (8, 8, 8)),
    "a load from the literal pool": ("ldr r0, 1f\n b 2f\n .balign 4\n 1: .word 0\n 2:", (4, 4, 4)),
    "a store": (f"{BELOW}str r0, [r1]", (4, 3, 3)),
    "a store behind a load": ("ldr r0, [sp]\n str r0, [sp]", (4, 3, 3)),
    "a store with an index": (f"{BELOW}movs r2, #4\n nop\n str r0, [r1, r2]", (6, 6, 6)),
    "a store with an index behind a load": (
        f"{BELOW}movs r2, #4\n ldr r0, [sp]\n str r0, [r1, r2]", (7, 6, 6)),
    "a word at an odd address": ("sub r1, sp, #63\n nop\n ldr r0, [r1]", (4, 6, 6)),
    "a word at half a word": ("sub r1, sp, #62\n nop\n ldr r0, [r1]", (4, 5, 5)),
    "a halfword at an odd address": ("sub r1, sp, #63\n nop\n ldrh r0, [r1]", (4, 5, 5)),
    "a load that is skipped": ("movs r0, #0\n cmp r0, #0\n it ne\n ldrne r1, [r0]", (NO_IT, 4, 4)),
    "multiply": ("muls r0, r1, r0", (1, 1, 1)),
    "multiply, 32 bits wide": ("mul r0, r1, r2", (None, 1, 1)),
    "multiply and add": ("mla r0, r1, r2, r3\n mls r0, r1, r2, r3", (None, 4, 2)),
    "long multiply": ("smull r0, r1, r2, r3\n umull r0, r1, r2, r3", (None, 10, 2)),
    "long multiply and add": ("smlal r0, r1, r2, r3\n umlal r0, r1, r2, r3", (None, 14, 2)),
    "divide": ("udiv r0, r1, r2\n sdiv r0, r1, r2", (None, 24, 24)),
    "two products at once, rounded product, limit": (
        "smlad r0, r1, r2, r3\n smmulr r0, r1, r2\n ssat r0, #8, r1", (None, 3, 3)),
    "barriers": ("dmb\n mrs r0, primask", (6, 2, 2)),
    "16-bit loop across a page end": (
        "movs r0, #50\n b 1f\n .balign 1024\n .space 1022\n 1: nop\n subs r0, #1\n bne 1b",
        (202, 202, 202)),
}  # fmt: skip
FLOAT_CASES = {
    "independent": ("vmul.f32 s0, s1, s2\n vadd.f32 s3, s4, s5", 2),
    "waits for the one before": ("vmul.f32 s0, s1, s2\n vadd.f32 s3, s0, s5", 3),
    "adds to what was just computed": ("vmul.f32 s0, s1, s2\n vmla.f32 s0, s4, s5", 5),
    "division, root": ("vdiv.f32 s0, s1, s2\n vsqrt.f32 s3, s4", 28),
    "compare": ("vadd.f32 s0, s1, s2\n vcmp.f32 s0, #0\n vmrs APSR_nzcv, fpscr", 4),
    "constant behind something else": ("vadd.f32 s15, s1, s2\n vmov.f32 s0, #1.0", 2),
    "load and store": ("vldr s0, [sp]\n vstr s0, [sp]", 4),
    "four at once": ("vpush {s0-s3}\n vpop {s0-s3}", 10),
    "to core registers": ("vmov r0, s1\n vmov r0, r1, s2, s3", 3),
}


def timed(cases: list[str], folder: Path, model: str, start: str = "") -> tuple[Region, ...]:
    body = start + "\n".join(
        f"RNN2C_COUNT_BEGIN(); {assembly(text)} RNN2C_COUNT_END();" for text in cases
    )
    return read_regions(count(ARM, body, folder, timing=model))


@pytest.fixture(scope="module", params=MODELS)
def cycles(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int | None, int | None]]:
    """Case -> what the documentation says, what the model says."""
    texts = [text for text, _ in CASES.values()]
    regions = timed(texts, tmp_path_factory.mktemp("model"), request.param)
    column = MODELS.index(request.param)
    wanted = [cycles[column] for _, cycles in CASES.values()]
    return dict(zip(CASES, zip(wanted, (r.cycles for r in regions), strict=True), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_cycles_are_those_of_the_documented_model(
    cycles: dict[str, tuple[int | None, int | None]], case: str
) -> None:
    wanted, found = cycles[case]
    assert wanted is None or found == wanted


def test_floating_point_on_the_m4(tmp_path: Path) -> None:
    start = '*(volatile unsigned *)0xE000ED88 |= 0xFu << 20; __asm__ volatile("isb");\n'
    texts = [f".fpu fpv4-sp-d16\n {text}" for text, _ in FLOAT_CASES.values()]
    found = [region.cycles for region in timed(texts, tmp_path, "cortex-m4", start)]
    assert dict(zip(FLOAT_CASES, found, strict=True)) == {k: v for k, (_, v) in FLOAT_CASES.items()}


def test_instructions_do_not_depend_on_the_model(tmp_path: Path) -> None:
    texts = [text for text, _ in CASES.values()]
    counts = [[r.instructions for r in timed(texts, tmp_path, m)] for m in MODELS]
    assert counts[0] == counts[1] == counts[2]


def test_laps_have_cycles_and_cost_none(tmp_path: Path) -> None:
    body = (
        f"RNN2C_COUNT_BEGIN(); {assembly('ldr r0, [sp]')} RNN2C_STAGE_END(0);"
        f"{assembly('ldr r0, [sp]' + chr(10) + 'nop')} RNN2C_STAGE_END(1); RNN2C_COUNT_END();"
    )
    text = count(ARM, body, tmp_path, "-DRNN2C_COUNT_STAGES", timing="cortex-m4")
    (region,) = read_regions(text)
    assert region.cycles == 5
    assert region.lap_cycles is not None
    assert stage_counts(region.lap_cycles) == (2, 3)


def test_every_model_belongs_to_a_target_and_back() -> None:
    assert {t.timing for t in list_targets()} == {*MODELS, "none"}


@pytest.mark.parametrize(
    ("machine", "timing", "complaint"),
    [(ARM, "cortex-m7", "no timing model 'cortex-m7'"), (RISCV, "cortex-m4", "models are for Arm")],
)
def test_a_model_that_does_not_fit_stops_the_emulator(
    machine: object, timing: str, complaint: str, tmp_path: Path
) -> None:
    plugin = f"{qemu_plugin()},out={tmp_path}/counts,timing={timing}"
    command = [*machine.emulator, "-nographic", "-plugin", plugin]  # type: ignore[attr-defined]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
