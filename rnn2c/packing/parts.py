"""Weights with more bytes than one array may have lie in several: whole units, one after the other.

Only far constants do, and no tables of rows.
"""

from __future__ import annotations

from rnn2c.ir.graph import NumberArray
from rnn2c.ir.interface import BYTES
from rnn2c.ir.program import CTYPES, Program, Weight
from rnn2c.packing import PACKINGS
from rnn2c.packing.families import FAMILIES
from rnn2c.target import Target


def stored(weight: Weight) -> tuple[str, NumberArray]:
    """The type of the elements and all of them, one unit after the other."""
    if weight.stream is not None:
        return FAMILIES[weight.packing].element, weight.stream
    packing = PACKINGS[weight.packing]
    return packing.type, packing.pack(weight.matrices)


def parts(program: Program, weight: Weight) -> list[tuple[int, NumberArray]]:
    """The unit with which each array begins, and its elements."""
    target, (type_, stream) = program.target, stored(weight)
    units = len(weight.matrices[0])
    each, rest = divmod(stream.size, units)
    whole = target.constants == "near" or weight.name in program.looked_up or rest or not each
    if target.limits is None or whole:
        return [(0, stream)]
    most = (target.limits.object_bytes & -2) // (BYTES[CTYPES[type_]] * each)
    if most >= units or not most:
        return [(0, stream)]
    flat = stream.reshape(-1)
    return [(u, flat[u * each : (u + most) * each]) for u in range(0, units, most)]


def array_bytes(octets: int, target: Target) -> int:
    """What an array takes of the flash: far ones stand among code, which begins at whole words."""
    return octets + (octets % 2 if target.constants == "far" else 0)
