"""Faults seeded into the emitted C: each must be caught by the verification that users run.

A mutant is one replacement of text in NAME.c; one that finds nothing to replace is an error of
this file.  Nothing but `verify` (which includes the promises of the interface) judges it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from building import Build, Built
from fixed import zoo_case

from rnn2c.validate.toolchain import BuildOptions, ToolError
from rnn2c.validate.verify import verify

STEPS = 12
LENIENT = BuildOptions(flags=("-Wno-error",))  # a fault need not pass as clean C


@dataclass(frozen=True)
class Mutant:
    """Regular expression, replacement, which zoo, on which target."""

    pattern: str
    replacement: str
    zoo: str = "accurate"
    target: str = "host"


MUTANTS: dict[str, Mutant] = {
    # arithmetic
    "requantize truncates": Mutant(
        r"(carry = \(\(low \* \(int32_t\)multiplier\)) \+ \(INT32_C\(1\) << \(shift - 1u?\)\)\)",
        r"\1)",
    ),
    "requantize drops the low half": Mutant(r"multiplier\) \+ carry\)", "multiplier))"),
    "requantize shifts by one less": Mutant(r">> \(shift - 8u?\);", ">> (shift - 9);"),
    "wide requantize does not round": Mutant(
        r" \+ \(INT64_C\(1\) << \(shift - 1u?\)\);", " + (INT64_C(0) << (shift - 1));"
    ),
    "rounding shift does not round": Mutant(
        r"\(x \+ \(INT32_C\(1\) << \(shift - 1u?\)\)\) >> shift", "x >> shift"
    ),
    "look-up without interpolation": Mutant(
        r"mixed = \(slope \* \(int32_t\)\(x & 255\)\) \+ \(word >> 8\)", "mixed = word >> 8"
    ),
    "look-up one entry off": Mutant(r"\(x >> 8\) \+ 128\]", "((x >> 8) + 129) & 255]"),
    "slope without its sign": Mutant(r"\^ INT32_C\(32768\)\) - INT32_C\(32768\)", "^ 0) - 0"),
    "saturation to 16 bits wraps": Mutant(
        r"return \(int16_t\)\(\(raised < 32767\) \? raised : 32767\);", "return (int16_t)x;"
    ),
    "saturation to 8 bits is symmetric": Mutant(
        r"(int8_t \w+_sat8\(int32_t x\)\n\{\n.*)\(x > \(-128\)\) \? x : \(-128\)",
        r"\1(x > (-127)) ? x : (-127)",
    ),
    "cell sum does not round": Mutant(r"\(kept \+ added\) \+ 16384", "kept + added"),
    "cell sum in the wrong format": Mutant(
        r"added = \(\(int32_t\)i \* \(int32_t\)g\) >> shift",
        "added = ((int32_t)i * (int32_t)g) >> 2",
    ),
    "blend does not round": Mutant(r"\(\(int32_t\)z \* away\) \+ 16384", "((int32_t)z * away)"),
    "blend towards the wrong side": Mutant(
        r"away = \(int32_t\)h - \(int32_t\)n", "away = (int32_t)n - (int32_t)h"
    ),
    "product of gates does not round": Mutant(
        r"\(int32_t\)a \* \(int32_t\)b\) \+ \(INT32_C\(1\) << \(shift - 1u?\)\)",
        "(int32_t)a * (int32_t)b)",
    ),
    # structure of a stage
    "gates r and z swapped": Mutant(
        r"r_sum \+= ([^;]*);\n(\s*)z_sum \+=", r"z_sum += \1;\n\2r_sum +="
    ),
    "one bias for two gates": Mutant(r"(f_sum = [^;]*) \+ 1u\]", r"\1 + 0u]"),
    "multiplier of another gate": Mutant(
        r"(z_pre_wide[^;]*_multiplier\[\(2u \* j\)) \+ 1u", r"\1 + 0u"
    ),
    "the last column is dropped": Mutant(
        r"k < 7u; k\+\+\) \{ /\* hidden", "k < 6u; k++) { /* hidden"
    ),
    "the last unit is dropped": Mutant(
        r"j < 3u; j\+\+\) \{\n(\s*int32_t r_sum)", r"j < 2u; j++) {\n\1"
    ),
    "sigmoid where tanh belongs": Mutant(
        r"g = (\w+)_lut\(\w+_tanh_table", r"g = \1_lut(\1_sigmoid_table"
    ),
    "next layer reads the old h": Mutant(r"= lstm_h_new\[k\]", "= lstm_h[k]"),
    "recurrence reads the new h": Mutant(r"= lstm_h\[k\];", "= lstm_h_new[k];"),
    "wide state is not stored": Mutant(r"s->gru_h_wide\[j\] = h_wide;", "(void)h_wide;"),
    "the limit stage does not limit": Mutant(
        r"q = (\w+)_clamp\(x\[j\], -?\d+, \d+\)", r"q = \1_clamp(x[j], -32768, 32767)"
    ),
    "relu lets negative values through": Mutant(
        r"clamp\(h_pre, 0, 127\)", "clamp(h_pre, -128, 127)"
    ),
    "states are not swapped": Mutant(r"s->now = \(uint8_t\)\(now \^ 1u\);", "s->now = now;"),
    "reset gate on the new n only": Mutant(r"mul_round\(r, nh, 15\)", "mul_round(32767, nh, 15)"),
    # head
    "argmax takes the last of equals": Mutant(
        r"logits\[k\] > logits\[best\]", "logits[k] >= logits[best]", zoo="compact"
    ),
    "softmax shift off by one": Mutant(r"add\(14, large0\)", "add(15, large0)"),
    "softmax sum misses a class": Mutant(
        r"k < 3u; k\+\+\) \{\n(\s*best = \(\w+\)\w+_add)", r"k < 2u; k++) {\n\1"
    ),
    # the functions around step
    "initial h is ignored": Mutant(r"lstm_h\[j\] = \(int8_t\)v;", "(void)v;"),
    "init does not clear": Mutant(
        r"\(void\)memset\(s, 0, sizeof\(\*s\)\);\n    if \(lstm_h0", "if (lstm_h0"
    ),
    "run forgets the last step": Mutant(r"t < steps; t\+\+", "t + 1u < steps; t++"),
    "run does not advance the input": Mutant(r"&x\[t \* \(size_t\)ZOO_X_SIZE\]", "&x[0]"),
    "save writes the stale copy": Mutant(
        r"s->gru_h\[s->now & 1u\]\[k\], 1u", "s->gru_h[~s->now & 1u][k], 1u"
    ),
    "save writes the high byte first": Mutant(
        r"at\[k\] = \(uint8_t\)\(\(value >> \(8u \* k\)",
        "at[bytes - 1u - k] = (uint8_t)((value >> (8u * k)",
    ),
    "restore forgets a buffer": Mutant(r"s->lstm_c\[k\] = \(int16_t\)\w+_get\([^;]*\);", ""),
    "restore accepts any model": Mutant(
        r"_get\(image, 4u, 0\) != ZOO_MODEL_ID", "_get(image, 4u, 0) == 0u"
    ),
    "finish reads the stale copy": Mutant(
        r"gru_h = s->gru_h\[s->now & 1u\]", "gru_h = s->gru_h[~s->now & 1u]"
    ),
    "finish changes the state": Mutant(
        r"(int8_t dense\[6\];[^\n]*\n)", r"\1    ((zoo_state_t *)(uintptr_t)s)->gru_h_wide[0]++;\n"
    ),
    "a null pointer is not refused": Mutant(r"\|\| \(u == NULL\)", ""),
    # profile fast
    "index one step off": Mutant(r"&table\[x \+ zero\]", "&table[(x + zero) ^ 1]", zoo="fast"),
    "index does not saturate": Mutant(
        r"raised = \(scaled > \(-limit\)\) \? scaled : \(-limit\)",
        "raised = (scaled > -limit - 5) ? scaled : -limit",
        zoo="fast hot",
    ),
    "half a step before the tanh of c is missing": Mutant(r"add\(c, 32\)", "add(c, 0)", zoo="fast"),
    # profile compact
    "gate product does not round": Mutant(
        r"\(uint16_t\)gate\) \+ 128u\)", "(uint16_t)gate) + 0u)", zoo="compact"
    ),
    "gate product loses its carry": Mutant(
        r"\(int16_t\)gate\) \+ carry\)", "(int16_t)gate))", zoo="compact"
    ),
    "table without its slope": Mutant(r"\+ rise\);", "+ 0 * rise);", zoo="compact"),
    "16-bit sum wraps": Mutant(
        r"return \(int16_t\)\(a \+ limited\);",
        "return (int16_t)((int16_t)(a + b) + 0 * limited);",
        zoo="compact hot",
    ),
    "rounding to 8 bits truncates": Mutant(
        r"\(x \+ \(1 << \(shift - 1u?\)\)\) >> shift", "x >> shift", zoo="compact"
    ),
    "nibble without its sign": Mutant(
        r"\(int8_t\)\(\(int16_t\)raised - 8\)", "(int8_t)raised", zoo="compact hot"
    ),
    "odd column in the low nibble": Mutant(r"(\+= \w+)_high4\(", r"\1_low4(", zoo="compact hot"),
    "the odd tail is dropped": Mutant(r"v = s->x_limited\[4\];", "v = 0;", zoo="compact hot"),
    # kernels of cores with DSP, and their own bodies of operations
    "a product with another column": Mutant(
        r"smlad r0, r9, r5, r0", "smlad r0, r9, r6, r0", target="cortex-m4"
    ),
    "a product into another sum": Mutant(
        r"smlad r2, r9, r5, r2", "smlad r2, r9, r5, r3", target="cortex-m4"
    ),
    "the high row stays in the low one": Mutant(
        r"sxtb16 r10, r10", "mov r10, r10", target="cortex-m4"
    ),
    "the low sum stays in the high one": Mutant(
        r"sub r3, r3, r4", "mov r3, r3", target="cortex-m4"
    ),
    "the high sum is not divided": Mutant(
        r"asr r0, r0, #8", "mov r0, r0", zoo="compact", target="cortex-m4"
    ),
    "a sum in the place of another": Mutant(r"strd r5, r6", "strd r6, r5", target="cortex-m4"),
    "the multiplier of another sum": Mutant(
        r"smmulr r2, r2, r8", "smmulr r2, r2, r7", target="cortex-m4"
    ),
    "a register is not given back": Mutant(
        r"(\"push \{r0, r2-r11, lr\})", r'"mov r4, r12\\n\\t"\n        \1', target="cortex-m4"
    ),
    "saturation to one bit less": Mutant(r"ssat %0, #12", "ssat %0, #11", target="cortex-m4"),
    "multiply-high truncates": Mutant(r"smmulr r", "smmul r", target="cortex-m4"),
    "gates are summed without rounding": Mutant(
        r"total = total \+ 16384", "total = total + 0", target="cortex-m4"
    ),
    "look-up takes its fraction from the high byte": Mutant(
        r'"r"\(x & 255\)', '"r"((x >> 8) & 255)', target="cortex-m4"
    ),
    # only where int has 16 bits, or where constants are in another address space
    "product at the width of int": Mutant(
        r"\(int32_t\)f \* \(int32_t\)c", "f * c", target="atmega328p"
    ),
    "constants read from the wrong memory": Mutant(
        r"RNN2C_READ_U16\(&zoo_gru_multiplier", "*(&zoo_gru_multiplier", target="atmega328p"
    ),
    "weights read from the wrong memory": Mutant(
        r"READ_I8\(p\) \(\(int8_t\)pgm_read_byte\(p\)\)",
        "READ_I8(p) (*(p))",
        target="atmega328p",
    ),
    "rounding constant at the width of int": Mutant(
        r"INT32_C\(1\) << \(shift - 1u?\)\)\) >> 8",
        "(1 << (shift - 1)))) >> 8",
        target="atmega328p",
    ),
}


def mutated(made: Built, mutant: Mutant) -> None:
    """Seed the fault into NAME.c; it is an error if the text is not there."""
    path: Path = made.folder / f"{made.name}.c"
    text, count = re.subn(mutant.pattern, mutant.replacement, path.read_text())
    assert count >= 1, f"the mutant does not apply: {mutant.pattern}"
    path.write_text(text)


def caught(made: Built) -> bool:
    """Whether verify finds a difference or the program crashes; it has to compile."""
    try:
        return not verify(made.program, made.folder, made.sequences(STEPS), build=LENIENT).bit_exact
    except ToolError as crash:
        if str(crash).startswith(("compiling", "linking")):
            raise
        return True


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_caught(name: str, build: Build) -> None:
    mutant = MUTANTS[name]
    made = build(zoo_case(mutant.zoo), mutant.target)
    mutated(made, mutant)
    assert caught(made)


@pytest.mark.parametrize(("zoo", "target"), sorted({(m.zoo, m.target) for m in MUTANTS.values()}))
def test_without_a_mutant_there_is_nothing_to_catch(zoo: str, target: str, build: Build) -> None:
    made = build(zoo_case(zoo), target)
    assert not caught(made)
