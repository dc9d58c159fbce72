"""A firmware with several models that take turns, and what it has to print."""

from __future__ import annotations

import numpy as np
from building import Built, c_array

from rnn2c.ir.graph import IntArray
from rnn2c.validate.harness import dtype_of
from rnn2c.validate.verify import RawSequence, reference, stress_sequences

STEPS = 5


def data(made: Built, sequence: RawSequence) -> str:
    """C: a state, the inputs of every step, a buffer per output."""
    lines = [f"static {made.name}_state_t {made.name}_s;\n"]
    for p in made.ports("step"):
        lines.append(c_array(p.ctype, f"{made.name}_in_{p.name}", sequence[p.name]))
    for p in made.program.interface().outputs:
        lines.append(f"static {p.ctype} {made.name}_out_{p.name}[{p.size}];\n")
    return "".join(lines)


def shown(made: Built, rate: str) -> str:
    """C statements that print the outputs of this rate."""
    names = [f"{made.name}_out_{p.name}" for p in made.ports(rate, "outputs")]
    return "".join(f"        say_hex({n}, sizeof {n});\n" for n in names)


def statements(models: list[Built]) -> str:
    """Both models start, then take turns at every step, then finish."""
    text = ""
    for m in models:
        nulls = ", NULL" * len(m.ports("sequence"))
        text += f"    (void){m.name}_init(&{m.name}_s{nulls});\n"
    text += f"    for (size_t t = 0; t < {STEPS}u; t++) {{\n"
    for m in models:
        arguments = [f"{m.name}_in_{p.name}[t]" for p in m.ports("step")]
        arguments += [f"{m.name}_out_{p.name}" for p in m.ports("step", "outputs")]
        text += f"        (void){m.name}_step(&{m.name}_s, {', '.join(arguments)});\n"
        text += shown(m, "step")
    text += "    }\n"
    for m in models:
        arguments = [f"{m.name}_out_{p.name}" for p in m.ports("sequence", "outputs")]
        text += f"    (void){m.name}_finish(&{m.name}_s, {', '.join(arguments)});\n"
        text += shown(m, "sequence")
    return text


def wanted(models: list[Built], sequences: list[RawSequence]) -> list[str]:
    """The lines the program has to print, from the reference interpreter."""

    def hexadecimal(m: Built, name: str, values: IntArray) -> str:
        port = next(p for p in m.program.interface().outputs if p.name == name)
        return np.asarray(values).astype(dtype_of(port)).tobytes().hex()

    results = [reference(m.program, s) for m, s in zip(models, sequences, strict=True)]
    pairs = list(zip(models, results, strict=True))
    lines = [
        hexadecimal(m, p.name, r.outputs[p.name][t])
        for t in range(STEPS)
        for m, r in pairs
        for p in m.ports("step", "outputs")
    ]
    return lines + [
        hexadecimal(m, p.name, r.finals[p.name])
        for m, r in pairs
        for p in m.ports("sequence", "outputs")
    ]


def without_initial_states(made: Built, seed: int) -> RawSequence:
    sequence = stress_sequences(made.program, STEPS, seed)[0]
    return {p.name: sequence[p.name] for p in made.ports("step")}
