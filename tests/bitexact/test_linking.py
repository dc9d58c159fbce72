"""Emitted C beside other code: several models in one firmware, what an object needs and holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from building import Build, run_main
from firmware import data, statements, wanted, without_initial_states
from fixed import ZOOS, zoo_case

from rnn2c.validate.sizes import object_sizes, undefined_symbols
from rnn2c.validate.toolchain import BuildOptions, compile_object

TARGETS = ("host", "cortex-m0plus", "cortex-m4", "atmega328p", "rv32imc")

# -- two models ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["host", "cortex-m4", "cortex-m55"])
def test_two_models_in_one_firmware_take_turns(target: str, build: Build, tmp_path: Path) -> None:
    models = [build(zoo_case(zoo), target) for zoo in ("accurate hot", "compact")]
    sequences = [without_initial_states(m, k) for k, m in enumerate(models)]
    body = "".join(data(m, s) for m, s in zip(models, sequences, strict=True))
    lines = run_main(models, body, statements(models), tmp_path)
    expected = wanted(models, sequences)
    assert lines[: len(expected)] == expected


@pytest.mark.parametrize("target", TARGETS)
def test_two_sources_in_one_translation_unit(target: str, build: Build, tmp_path: Path) -> None:
    """A unity build: nothing but the names of the model and identical macros at file scope."""
    models = [build(zoo_case(zoo), target) for zoo in ("accurate", "compact")]
    unity = models[0].folder / "unity.c"
    files = [f"{m.name}{s}.c" for m in models for s in ("", "_selftest")]
    floats = [f"{m.name}_float.h" for m in models]
    unity.write_text("".join(f'#include "{f}"\n' for f in (*files, *floats)))
    quiet = BuildOptions(flags=("-Wno-unused-function",))  # the float helpers
    assert compile_object(unity, models[0].target, tmp_path / "unity.o", build=quiet).is_file()


# -- one object ---------------------------------------------------------------------------------

HELPERS = {
    "host": r"$^",
    "arm": r"__aeabi_lmul",
    "avr": r"__(adddi3_s8|ashrdi3|(us)?mulhisi3|mulshisi3|mulsi3|mulsidi3|mulsqipsi3|muluhisi3)",
    "riscv": r"$^",
}
"""Integer helpers of the compilers; no division, no floating point, no heap among them."""


@pytest.mark.parametrize("zoo", ZOOS)
@pytest.mark.parametrize("target", TARGETS)
def test_an_object_needs_the_compilers_helpers_only_and_has_no_variables(
    target: str, zoo: str, build: Build, tmp_path: Path
) -> None:
    made = build(zoo_case(zoo), target)
    allowed = HELPERS.get(made.target.harness, r"$^")
    for suffix in ("", "_selftest"):
        compiled = made.compiled(tmp_path, suffix=suffix)
        own = [n for n in undefined_symbols(compiled) if not n.startswith(f"{made.name}_")]
        strange = [n for n in own if n not in ("memset", "memcpy") and not re.fullmatch(allowed, n)]
        assert not strange
        sizes = object_sizes(compiled)
        assert (sizes.data, sizes.bss) == (0, 0)
        if made.target.harness == "avr":  # start-up code would copy these to RAM
            assert not [s.name for s in sizes.symbols if s.section.startswith(".rodata")]


def test_the_checks_above_see_what_they_forbid(build: Build, tmp_path: Path) -> None:
    """Floating point, division, heap and variables are found when they are there."""
    made = build(zoo_case("accurate"), "cortex-m0plus")
    bad = tmp_path / "bad.c"
    bad.write_text(
        "#include <stdlib.h>\nfloat f(float a, float b);\nfloat f(float a, float b)"
        " { return a + b; }\nint g(int a, int b);\nint g(int a, int b) { return a / b; }\n"
        "void *h(void);\nvoid *h(void) { static int count = 1; count++; return malloc(4); }\n"
    )
    path = compile_object(bad, made.target, tmp_path / "bad.o")
    strange = {n for n in undefined_symbols(path) if not re.fullmatch(HELPERS["arm"], n)}
    assert strange == {"__aeabi_fadd", "__aeabi_idiv", "malloc"}
    assert object_sizes(path).data == 4
