"""The records of strings that templates print: lines, dot products, stages, functions, loops."""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.ir.program import Buffer, Clock


@dataclass(frozen=True)
class Line:
    """`const ctype name = text;` with a comment."""

    ctype: str
    name: str
    text: str
    doc: str


@dataclass(frozen=True)
class Part:
    """One segment of a dot product: vector[k + start] for k < size, times the rows `sums`.

    `start` is " + index" or nothing; `final`: no weight of the stage follows it.
    """

    vector: str
    ctype: str
    size: int
    sums: tuple[str, ...]
    wide: bool
    final: bool
    doc: str
    start: str


@dataclass(frozen=True)
class DotCode:
    """A fused dot product; pointer: the type of the address of weights; biases: each read;
    more_weights: (unit, address), with which unit they go on elsewhere; product: the function that
    multiplies by a byte, empty where C does.
    """

    sums: tuple[str, ...]
    width: str
    ctype: str
    weights: str
    pointer: str
    packing: str
    biases: tuple[str, ...]
    bias_type: str
    more_weights: tuple[tuple[int, str], ...]
    product: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class KernelCode:
    """A call of a kernel: for `block` units it gives `count` sums of those vectors, which it takes
    as pointers to the C type `pointer`.  ctype: of the sums; stream: of the address of the weights;
    advance: how many of these a block has, 0: the kernel returns where the next one begins.

    sums: (name, place among them, comment); partial: the last block of several has fewer
    units; straight: the units of a block stand one after the other, without a loop; more_weights:
    as in DotCode; totals: the function that computes `more` numbers behind the sums, for all
    blocks.  whole: the function does all of the stage, with further arrays behind the vectors.
    """

    function: str
    weights: str
    pointer: str
    ctype: str
    stream: str
    advance: int
    vectors: tuple[str, ...]
    block: int
    count: int
    sums: tuple[tuple[str, str, str], ...]
    partial: bool
    straight: bool
    more_weights: tuple[tuple[int, str], ...] = ()
    totals: str = ""
    more: int = 0
    whole: bool = False


@dataclass(frozen=True)
class StageCode:
    """One stage of a function, in the order of its instructions; `reads`: buffers it touches,
    `given`: arguments of the function among them; row: the row of a table that is looked up.
    """

    kind: str
    title: str
    index: int
    units: int
    dots: tuple[DotCode, ...]
    lines: tuple[Line, ...]
    stores: tuple[tuple[str, str], ...]
    reads: tuple[str, ...]
    given: tuple[str, ...]
    row: Line | None = None
    kernel: KernelCode | None = None


@dataclass(frozen=True)
class ReduceCode:
    """target[0] from source[0 .. size-1]; first: its first value, more: arguments of function."""

    kind: str
    title: str
    index: int
    function: str
    source: str
    target: str
    ctype: str
    size: int
    first: str
    begin: int
    more: str


@dataclass(frozen=True)
class RingCode:
    """Kind `advance`, or kind `row`: `view` is the row `back` before the newest."""

    kind: str
    buffer: str
    ctype: str
    newest: str
    newest_ctype: str
    rows: int
    size: int
    view: str = ""
    back: int = 0
    written: bool = False
    doc: str = ""


@dataclass(frozen=True)
class StepRowCode:
    """Kind `steprow`: `view` is the row `ahead` of the step at hand, else the array `beyond`."""

    kind: str
    view: str
    ctype: str
    source: str
    beyond: str
    ahead: int
    doc: str


InnerCode = StageCode | ReduceCode | RingCode | StepRowCode


@dataclass(frozen=True)
class WhenCode:
    """Operations that run only at the steps of a clock."""

    kind: str
    clock: Clock
    body: tuple[InnerCode, ...]
    marks: tuple[int, ...]


OpCode = InnerCode | WhenCode


@dataclass(frozen=True)
class FunctionCode:
    """The stages of init, step, finish or a loop and the copies of double buffers they use.

    loops: come before the stages; results: double buffers that loops leave to the stages.
    """

    stages: tuple[OpCode, ...]
    current: tuple[Buffer, ...]
    new: tuple[Buffer, ...]
    locals: tuple[Buffer, ...]
    loops: tuple[LoopCode, ...] = ()
    results: tuple[Buffer, ...] = ()


@dataclass(frozen=True)
class LoopCode:
    """`start` once, then `body` for the time steps t: all, in reverse or not, or one of them."""

    title: str
    reverse: bool
    steps: str
    start: FunctionCode
    body: FunctionCode
