"""Frama-C Eva finds no undefined behaviour in the emitted C, for any input and any saved state.

The analysed program calls the functions in an endless loop with unknown arguments: every sensor
count, input and save image.  Eva follows all values at once, so this is a proof and no sampling;
it is made for 32-bit and for 16-bit `int`.  Where `int` has 32 bits even a state of garbage is
analysed; with 16 bits the state is what init, step and restore can leave.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from building import built
from fixed import every_form, zoo_case

from rnn2c.ir.interface import Interface, Port

RELATED = {
    ("compact", "16-bit int"): {"add_sat16", "blend_u8", "round_sat8"},
}
"""Where Eva cannot see that two operands move together and overflow is excluded by our own proof:
the lemmas of ranges.py for the first two, the range they give to the operand of the third."""

MACHINES = {"32-bit int": "gcc_x86_32", "16-bit int": "gcc_x86_16"}
MODELS = ("accurate", "fast", "compact")
SECONDS = 300


def program(interface: Interface, garbage: bool) -> str:
    """A C program that calls everything with unknown arguments, in any order."""
    n, arrays = interface.name, (*interface.inputs, *interface.outputs)
    size = f"{n.upper()}_SAVE_SIZE"
    lines = [
        f'#include "{n}.h"',
        '#include "__fc_builtin.h"',
        "static volatile int unknown;",
        "int main(void)",
        "{",
        f"    {n}_state_t s;",
        f"    uint8_t image[{size}];",
        *(f"    {p.ctype} {p.name}[{p.size}];" for p in arrays),
        _any("image", size),
        *(_any(p.name, f"sizeof {p.name}") for p in interface.inputs),
        f"    (void){n}_init({_arguments(interface.at('sequence', interface.inputs))});",
        *([_any("&s", "sizeof s")] if garbage else []),
        "    while (unknown) {",
        *("    " + _any(p.name, f"sizeof {p.name}") for p in interface.inputs),
        *("        " + call for call in _calls(interface)),
        "    " + _any("image", size),
        f"        (void){n}_restore(&s, image);",
        "    }",
        "    return 0;",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _calls(interface: Interface) -> list[str]:
    n = interface.name
    step = interface.at("step", (*interface.inputs, *interface.outputs))
    calls = [f"(void){n}_step({_arguments(step)});"]
    if finals := interface.at("sequence", interface.outputs):
        calls.append(f"(void){n}_finish({_arguments(finals)});")
    return [*calls, f"(void){n}_save(&s, image);"]


def _arguments(ports: tuple[Port, ...]) -> str:
    return ", ".join(["&s", *(p.name for p in ports)])


def _any(what: str, size: str) -> str:
    return f"    Frama_C_make_unknown((char *){what}, {size});"


def alarms(folder: Path, name: str, machine: str) -> tuple[set[str], str]:
    """Functions with alarms, and the report of Eva; a missing frama-c is a failure."""
    frama_c = shutil.which("frama-c")
    assert frama_c, "frama-c is missing: install the Debian package frama-c-base"
    command = [frama_c, "-eva", "-eva-precision", "2", "-machdep", machine]
    command += [f"-cpp-extra-args=-I{folder}", str(folder / "main.c"), str(folder / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
    assert re.search(r"\d+ alarms? generated", done.stdout), done.stdout[-2000:]
    lines = re.findall(rf"\[eva:alarm\] \S*/{name}\.c:(\d+):", done.stdout)
    source = (folder / f"{name}.c").read_text().splitlines()
    return {_function(source, int(line), name) for line in lines}, done.stdout


def _function(source: list[str], line: int, name: str) -> str:
    """The function that a line of the C belongs to, without the prefix."""
    for text in reversed(source[:line]):
        if found := re.match(rf"(?:static inline )?\w+ {name}_(\w+)\(", text):
            return found[1]
    raise AssertionError(f"line {line} is in no function")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("model", MODELS)
def test_no_undefined_behaviour_for_any_input_and_state(
    model: str, machine: str, tmp_path: Path
) -> None:
    made = built(zoo_case(model), tmp_path)
    interface = made.program.interface()
    (tmp_path / "main.c").write_text(program(interface, garbage=machine == "32-bit int"))
    found, report = alarms(tmp_path, interface.name, MACHINES[machine])
    assert found == RELATED.get((model, machine), set()), report[-3000:]
    if not found:
        assert "No errors or warnings raised during the analysis" in report


def test_no_undefined_behaviour_in_any_form_of_a_cell(tmp_path: Path) -> None:
    made = built(every_form(), tmp_path)
    interface = made.program.interface()
    (tmp_path / "main.c").write_text(program(interface, garbage=False))
    found, report = alarms(tmp_path, interface.name, MACHINES["16-bit int"])
    assert found == set(), report[-3000:]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(x >> 8) + 128]", "(x >> 8) + 129]"),
        ("for (uint_fast16_t j = 0u; j < 7u", "for (uint_fast16_t j = 0u; j < 8u"),
    ],
)
def test_a_seeded_fault_raises_an_alarm(old: str, new: str, tmp_path: Path) -> None:
    made = built(zoo_case("accurate"), tmp_path)
    interface = made.program.interface()
    source = tmp_path / f"{interface.name}.c"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    (tmp_path / "main.c").write_text(program(interface, garbage=False))
    assert alarms(tmp_path, interface.name, MACHINES["32-bit int"])[0]
