"""What a Program needs on its target: bytes known exactly, and bounds for what a compiler decides.

Constants and the state are exact.  Code and stack depend on the compiler; `target` gives the
factors of an upper bound, and tests compare the bound with what is measured.  Float32 needs more of
both where the core has no FPU; the bounds hold for such a core too.  libm's code is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.errors import TooLargeError
from rnn2c.ir.interface import BYTES
from rnn2c.ir.program import CTYPES, Buffer, Dot, Program, Stage, Weight
from rnn2c.packing.families import FAMILIES
from rnn2c.packing.parts import array_bytes, parts, stored

WORD = 4
USUAL_SUMS = 12
"""Of a block of units, at most, where a kernel does two or three rows of a unit at once."""
OVERLAPPED_SUM = 96
"""Bytes of code by which a loop over overlapped weights is longer, for each sum of a segment."""
FLOAT_CODE = 1.5
FLOAT_STACK = 2.5


@dataclass(frozen=True)
class Budget:
    """Bytes.  weights, tables, state, scratch, locals are exact; code and stack are bounds.

    window: what state and scratch hold of every time step, for all of them.
    """

    weights: int
    tables: int
    code: int
    state: int
    scratch: int
    locals: int
    stack: int
    window: int = 0

    @property
    def constants(self) -> int:
        return self.weights + self.tables

    @property
    def flash(self) -> int:
        return self.constants + self.code

    @property
    def ram(self) -> int:
        """The state struct: state and scratch."""
        return self.state + self.scratch


def buffer_bytes(buffer: Buffer) -> int:
    """Bytes of a buffer in RAM, both copies included."""
    elements = buffer.room * max(buffer.rows, 1)
    return BYTES[CTYPES[buffer.type]] * elements * (2 if buffer.twice else 1)


def _weight_arrays(program: Program, weight: Weight) -> list[int]:
    """The bytes of every array that it is stored in."""
    octets = BYTES[CTYPES[stored(weight)[0]]]
    return [array_bytes(octets * a.size, program.target) for _, a in parts(program, weight)]


def budget(program: Program) -> Budget:
    """What the program needs; see Budget."""
    target = program.target
    weights = sum(sum(_weight_arrays(program, w)) for w in program.weights)
    consts = {"weight": 0, "table": 0}
    for const in (c for c in program.consts if c.kind != "packed"):
        consts[const.kind] += array_bytes(BYTES[CTYPES[const.type]] * const.data.size, target)
    members = program.having("state", "scratch")
    scratch = sum(buffer_bytes(b) for b in program.having("scratch"))
    locals_ = sum(buffer_bytes(b) for b in program.having("local"))
    copies = len({program.clock_of.get(b.name) for b in members if b.twice})
    struct = struct_bytes(members, copies, target.alignment)
    estimate = target.estimate
    calls = sum(len(op.body) if isinstance(op, Stage) else 2 for op in program.operations())
    stages = [op for op in program.operations() if isinstance(op, Stage)]
    dots = [i for op in stages for i in op.body if isinstance(i, Dot)]
    sums = sum(len(i.outs) * len(i.segments) for i in dots)
    code = estimate.code_base + estimate.code_per_call * calls + estimate.code_per_sum * sums
    code += sum(_more_code(program.weight[i.weight], i) for i in dots)
    code += sum(_kernel_bytes(dot, k) for k, dot in enumerate(program.kernels))
    stack = estimate.stack + max(map(_more_stack, program.kernels), default=0)
    if program.is_float:
        code, stack = int(FLOAT_CODE * code), int(FLOAT_STACK * stack)
    return Budget(
        weights=weights + consts["weight"],
        tables=consts["table"],
        code=code,
        state=struct - scratch,
        scratch=scratch,
        locals=locals_,
        stack=stack + locals_,
        window=sum(buffer_bytes(b) for b in members if b.rows),
    )


def _more_code(weight: Weight, dot: Dot) -> int:
    """What the plain loop of a packing needs beyond those that the estimate has room for."""
    if dot.kernel is not None or weight.packing != "overlapped4":
        return 0
    return OVERLAPPED_SUM * len(dot.outs) * len(dot.segments)


def _more_stack(dot: Dot) -> int:
    """What a kernel and the sums of a block need beyond what the estimate of a target has."""
    assert dot.kernel is not None
    sums = WORD * max(dot.kernel.units * len(dot.outs) - USUAL_SUMS, 0)
    return FAMILIES[dot.kernel.family].stack + sums


def _kernel_bytes(dot: Dot, number: int) -> int:
    """What a kernel needs beyond the estimate of a target, which has room for a usual one."""
    assert dot.kernel is not None
    segments = tuple(s.results for s in dot.segments)
    sizes = tuple(s.size for s in dot.segments)
    family = FAMILIES[dot.kernel.family]
    facts = (len(dot.outs), segments, sizes, dot.kernel.turn)
    return dot.kernel.written + family.code(*facts) + (family.usual(*facts) if number else 0)


def struct_bytes(members: tuple[Buffer, ...], indices: int, most: int) -> int:
    """sizeof the state struct: members without gaps, a byte for every index, padding at the end.

    most: the largest alignment of a member on the target.
    """
    total = sum(buffer_bytes(b) for b in members) + indices
    align = min(most, max((alignment(b) for b in members), default=1))
    return max(1, -(-total // align) * align)


def alignment(b: Buffer) -> int:
    """Of which number of bytes the address of a member of the state struct is a multiple."""
    return max(BYTES[CTYPES[b.type]], WORD if b.lanes > 1 else 1)


def check_fits(program: Program) -> None:
    """Raise TooLargeError with needed and available bytes unless the target holds the program."""
    limits = program.target.limits
    if limits is None:
        return
    need = budget(program)
    part = program.target.name
    if need.flash > limits.flash_bytes:
        over = need.flash - limits.flash_bytes
        raise TooLargeError(
            f"{program.name} needs about {need.flash} bytes of flash ({need.weights} weights,"
            f" {need.tables} tables, {need.code} code), {part} has {limits.flash_bytes}:"
            f" {over} too many; {_advice(program, need.weights, over)}; RAM needed"
            f" {need.ram + need.stack} of {limits.ram_bytes}"
        )
    if need.ram + need.stack > limits.ram_bytes:
        over = need.ram + need.stack - limits.ram_bytes
        raise TooLargeError(
            f"{program.name} needs {need.ram} bytes of RAM for its state and up to {need.stack} of"
            f" stack, {part} has {limits.ram_bytes}: {over} too many;{_fewer_steps(program, over)}"
            f" use fewer units or {'--precision int' if program.is_float else 'int8 activations'}"
        )
    if need.constants > limits.constant_bytes:
        raise TooLargeError(
            f"{program.name} has {need.constants} bytes of constants, near pointers on {part} reach"
            f" {limits.constant_bytes}; use fewer units or {_smaller(program)[0]}"
        )
    for weight in program.weights:
        size = max(_weight_arrays(program, weight))
        if size > limits.object_bytes:
            raise TooLargeError(
                f"the weights '{weight.name}' have {size} bytes, one array on {part} may have"
                f" {limits.object_bytes}; use fewer units or {_smaller(program)[0]}"
            )


def _fewer_steps(program: Program, over: int) -> str:
    """What --max-steps could do about bytes of RAM that are too many."""
    if not program.max_steps:
        return ""
    row = budget(program).window // program.max_steps
    steps = program.max_steps - -(-over // row)
    fits = f"--max-steps {steps} would fit" if steps > 0 else "no --max-steps would fit"
    return f" {fits} ({row} bytes a step), or"


def _smaller(program: Program) -> tuple[str, float]:
    """The option that makes the weights smaller, and what share of them it saves."""
    return ("--precision int", 3 / 4) if program.is_float else ("--weights int4", 1 / 2)


def _advice(program: Program, weights: int, over: int) -> str:
    option, saved = _smaller(program)
    if int(weights * saved) >= over:
        return f"{option} would fit"
    share = 1 - over / max(weights, 1)
    if share > 0:
        return f"about {100 * share**0.5:.0f} % of the units would fit, or a target with more flash"
    return "choose a target with more flash"
