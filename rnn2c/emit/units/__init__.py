"""Stages on AVR that are in assembly as a whole, not only their sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rnn2c.emit.kernels import assembly_function
from rnn2c.emit.units.stage import units_of
from rnn2c.emit.units.writer import Units
from rnn2c.ir.ops import flat
from rnn2c.ir.program import Dot, Program, Stage

__all__ = ["Units", "function_name", "units_functions", "units_of", "whole_stages"]


def whole_stages(program: Program) -> Mapping[str, tuple[Stage, Dot, Units]]:
    """The stages that are in assembly, by their weights."""
    found = {}
    for stage in flat((*program.init, *program.step, *program.finish)):
        units = units_of(program, stage) if isinstance(stage, Stage) else None
        if isinstance(stage, Stage) and units is not None:
            dot = next(i for i in stage.body if isinstance(i, Dot))
            found[dot.weight] = stage, dot, units
    return found


def function_name(dot: Dot) -> str:
    """Name of the function of a stage with this dot product, without the model's name."""
    return f"{dot.weight.removesuffix('weights')}units"


def units_functions(program: Program, static: Callable[[str], str]) -> list[str]:
    """The C text of every stage in assembly; static: the C name of a constant."""
    return [
        _text(program, stage, dot, units, static)
        for stage, dot, units in whole_stages(program).values()
    ]


def _text(
    program: Program, stage: Stage, dot: Dot, units: Units, static: Callable[[str], str]
) -> str:
    arrays = len(dot.segments) + len(units.arrays)
    return assembly_function(
        f"{stage.title}.",
        f"void {program.name}_{function_name(dot)}",
        tuple(f"const void *array{k}" for k in range(arrays)),
        units.lines,
        program.target.harness,
        {name: static(name) for name in units.constants},
    )
