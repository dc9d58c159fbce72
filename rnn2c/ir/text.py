"""Both intermediate representations as text, for people and for comparisons.

Equal models give equal text.  Numbers of weights are summed up, not listed; names that come from
the user's model appear as `ir.names.prose` lets them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnn2c.ir import graph, temporal, window
from rnn2c.ir.graph import Float32, Format, Layer, Model, Tensor
from rnn2c.ir.names import prose
from rnn2c.ir.program import (
    Advance,
    Argument,
    Buffer,
    Call,
    Const,
    Dot,
    Elem,
    Fold,
    Gather,
    Loop,
    Op,
    Program,
    Reduce,
    Row,
    Signal,
    Stage,
    StepRow,
    Table,
    Weight,
    When,
)


def model_text(model: Model) -> str:
    """A Model, one paragraph per layer: shapes, rates, formats once quantized, parameters."""
    return "\n".join(_model_lines(model)) + "\n"


def program_text(program: Program) -> str:
    """A Program: buffers with their ranges, constants, then one line per instruction."""
    return "\n".join(_program_lines(program)) + "\n"


def format_text(form: Format) -> str:
    """`Qm.n` for a power-of-two scale, else type and scale; the range unless it is the type's."""
    if isinstance(form, Float32):
        return "float32"
    mantissa, exponent = math.frexp(form.scale)
    if mantissa == 0.5 and form.zero_point == 0:
        text = f"Q{form.bits - 2 + exponent}.{1 - exponent}"
    else:
        text = f"int{form.bits} scale {form.scale:.6g}"
        text += f" zero point {form.zero_point}" if form.zero_point else ""
    whole = (-(2 ** (form.bits - 1)), 2 ** (form.bits - 1) - 1)
    return text if (form.lo, form.hi) == whole else f"{text} in [{form.lo}, {form.hi}]"


# -- Model --------------------------------------------------------------------------------------


def _model_lines(model: Model) -> Iterator[str]:
    numerics = model.numerics
    how = f", profile {numerics.profile}, accumulate {numerics.accumulate}" if numerics else ""
    yield f"model {prose(model.name)}{how}"
    for i in model.inputs:
        yield f"input {_value(model, i.name)}{f', {i.tokens} tokens' if i.tokens else ''}"
    for d in model.delays:
        yield f"delay {_value(model, d.name)}, of {prose(d.value)} one step before"
    for layer in model.layers:
        yield ""
        yield f"{type(layer).__name__}{_attributes(layer)}{_order(layer)} of {_inputs(layer)}"
        for value in layer.outputs:
            yield f"  defines {_value(model, value)}"
        yield from (f"  {line}" for line in _parameters(layer))
        if numerics and layer.name in numerics.cells:
            yield from (f"  {line}" for line in _cell_formats(layer, numerics.cells[layer.name]))
        if numerics and layer.name in numerics.split:
            yield "  sums of their own scales"
        if numerics and layer.name in numerics.pre_bits:
            bits = numerics.pre_bits[layer.name]
            yield f"  pre-activation of n in Q{15 - bits}.{bits}"
    yield ""
    for output in model.outputs:
        yield f"output {prose(output.name)} shows {prose(output.value)}"


def _cell_formats(layer: Layer, formats: graph.CellFormats) -> Iterator[str]:
    """One line per role of a cell."""
    assert isinstance(layer, graph.Recurrent)
    for k, function in enumerate(layer.activations[: len(formats.before)]):
        before, after = formats.before[k], formats.after[k]
        yield f"{layer.roles[k]}: {function} of Q{15 - before}.{before} in Q{15 - after}.{after}"


def _value(model: Model, name: str) -> str:
    """`name [size] per rate`, and its format once there is one."""
    text = f"{prose(name)} [{model.sizes()[name]}] per {model.rates()[name]}"
    times = temporal.infer_times(model)[name]
    if times != temporal.ALWAYS and model.rates()[name] != "sequence":
        text += f" {times.first}, {times.first + times.every}, ..."
    form = model.numerics.formats.get(name) if model.numerics else None
    return f"{text}, {format_text(form)}" if form else text


def _inputs(layer: Layer) -> str:
    if isinstance(layer, graph.Recurrent) and layer.mask:
        return f"{', '.join(prose(n) or 'zero' for n in layer.inputs[:-1])} where {layer.mask}"
    return ", ".join(prose(name) or "zero" for name in layer.inputs)


def _order(layer: Layer) -> str:
    reverse = isinstance(layer, graph.Recurrent) and layer.direction == "reverse"
    return " (reverse)" if reverse else ""


def _attributes(layer: Layer) -> str:
    match layer:
        case graph.Recurrent():
            return _cell_attributes(layer)
        case temporal.Framed() | temporal.Reduce():
            return f" ({temporal.described(layer)})"
        case graph.Linear(activation=name) if name:
            return f" ({name})"
        case graph.Activation(function=name, alpha=alpha, beta=beta):
            return f" ({name}{f' {alpha:.6g} {beta:.6g}' if alpha or beta else ''})"
        case graph.Rounded(form=form):
            return f" (to {format_text(form)})"
        case graph.LayerNorm(epsilon=epsilon, centred=centred):
            return f" (epsilon {epsilon:g}{'' if centred else ', not centred'})"
        case graph.Sum(subtract=True):
            return " (a - b)"
        case window.StepMask(steps=steps):
            return f" (before step {steps})"
        case window.ValueMask(value=value):
            return f" (other than {value:.6g})"
        case graph.Pick(indices=indices):
            return f" (elements {_elements(indices)})"
    return ""


def _cell_attributes(layer: graph.Recurrent) -> str:
    """What is not the same for every cell of its kind."""
    said = []
    if isinstance(layer, graph.Gru):
        said.append(f"reset {'after' if layer.reset_after else 'before'} the product")
    if layer.activations != layer.usual or isinstance(layer, graph.Rnn):
        said.append(", ".join(map(str, layer.activations)))
    if math.isfinite(layer.clip):
        said.append(f"clip {layer.clip:.6g}")
    if isinstance(layer, graph.Lstm) and layer.coupled:
        said.append("coupled gates")
    return f" ({'; '.join(said)})" if said else ""


def _elements(indices: tuple[int, ...]) -> str:
    """`2 .. 5` of neighbours, else a list."""
    if len(indices) > 1 and indices == tuple(range(indices[0], indices[0] + len(indices))):
        return f"{indices[0]} .. {indices[-1]}"
    return " ".join(map(str, indices))


def _parameters(layer: Layer) -> Iterator[str]:
    """One line per weight matrix and bias, in declared order."""
    for name, value in vars(layer).items():
        if isinstance(value, Tensor):
            yield f"{name} {list(value.shape)} {_tensor(value)}"
        elif isinstance(value, np.ndarray):
            yield f"{name} {list(value.shape)} float{_span(value)}"


def _tensor(tensor: Tensor) -> str:
    if tensor.scale is None:
        return f"float{_span(np.asarray(tensor.data, np.float64))}"
    lowest, highest = float(tensor.scale.min()), float(tensor.scale.max())
    scales = f"{lowest:.6g}" if lowest == highest else f"{lowest:.6g} to {highest:.6g}"
    data = np.asarray(tensor.data, np.int64)
    zero = "" if tensor.zero is None else f", zero points{_span(tensor.zero.astype(np.float64))}"
    return f"int{tensor.bits} in [{data.min()}, {data.max()}], scale of a row {scales}{zero}"


def _span(array: NDArray[np.float64]) -> str:
    return f" in [{array.min():.6g}, {array.max():.6g}]" if array.size else ""


# -- Program ------------------------------------------------------------------------------------


def _program_lines(program: Program) -> Iterator[str]:
    yield f"program {program.name} for {program.target.name}, profile {program.profile}"
    yield f"  {program.doc}"
    yield from _section("signals", [_signal(s, "input") for s in program.inputs])
    yield from (f"  {_signal(s, 'output')}" for s in program.outputs)
    yield from _section("buffers", map(_buffer, program.buffers))
    yield from _section("weights", map(_weight, program.weights))
    yield from _section("constants", map(_const, program.consts))
    for name, operations in (
        ("init", program.init),
        ("step", program.step),
        ("finish", program.finish),
    ):
        yield from _section(name, [line for op in operations for line in _operation(op)])


def _section(title: str, lines: Iterator[str] | list[str] | map[str]) -> Iterator[str]:
    """A blank line, a title and indented lines; nothing at all without lines."""
    for count, line in enumerate(lines):
        if count == 0:
            yield ""
            yield title
        yield f"  {line}"


def _signal(signal: Signal, way: str) -> str:
    form = format_text(signal.format) if signal.kind == "value" else signal.kind
    return f"{way} {prose(signal.name)}: {signal.buffer} per {signal.rate}, {form}"


def _buffer(b: Buffer) -> str:
    twice = " twice" if b.twice else f" per step, at most {b.rows}" if b.rows else ""
    span = "" if b.type == "f32" else f", in [{b.lo}, {b.hi}]"
    return f"{b.name}: {b.type}[{b.size}]{twice}, {b.role}{span}: {prose(b.doc)}"


def _weight(w: Weight) -> str:
    shapes = " ".join(str(list(m.shape)) for m in w.matrices)
    return f"{w.name}: {w.packing} {shapes}, {w.bits} bits"


def _const(c: Const) -> str:
    low, high = c.data.min(), c.data.max()
    span = f"[{low:.6g}, {high:.6g}]" if c.type == "f32" else f"[{low}, {high}]"
    return f"{c.name}: {c.type}[{c.data.size}], {c.kind}, in {span}"


def _operation(op: Op) -> Iterator[str]:
    match op:
        case Stage():
            yield f"{op.title}: {op.units} unit{'s' if op.units > 1 else ''}"
            for instruction in op.body:
                match instruction:
                    case Call():
                        yield f"  {_call(instruction)}"
                    case Dot():
                        yield from (f"  {line}" for line in _dot(instruction))
                    case Gather(out, table, index):
                        yield f"  {out} = {table}[{index}[0]][j]"
            for store in op.stores:
                yield f"  {_element(store.element)} = {store.value}"
        case Reduce():
            mark = "'" if op.new else ""
            yield op.title
            if isinstance(op, Fold):
                more = "".join(f", {m}" for m in op.more)
                yield f"  {op.target}[0] = {op.start}"
                yield (
                    f"  {op.target}[0] = {op.function}({op.target}[0], {op.source}{mark}[k]{more})"
                    f" for k = 0 .. {op.size - 1}"
                )
                return
            yield f"  {op.target}[0] = {op.function} of {op.source}{mark}[0 .. {op.size - 1}]"
        case Loop():
            which = f"the {op.steps} step" if op.steps != "all" else "all steps"
            yield f"{op.title}: for {which}{' in reverse' if op.reverse else ''}"
            yield from (f"  before: {line}" for o in op.start for line in _operation(o))
            yield from (f"  {line}" for o in op.body for line in _operation(o))
        case Advance(ring):
            yield f"advance {ring.buffer}: {ring.rows} rows of {ring.size}"
        case Row(view, ring, back):
            yield f"{view} = row of {ring.buffer}, {back} before the newest"
        case StepRow(view, source, beyond, ahead):
            yield f"{view} = row {ahead:+d} of {source}, {beyond} where there is none"
        case When(clock, body):
            yield f"at steps {clock.first}, {clock.first + clock.every}, ... ({clock.buffer}):"
            yield from (f"  {line}" for inner in body for line in _operation(inner))


def _call(call: Call) -> str:
    text = f"{call.out} = {call.primitive}({', '.join(map(_argument, call.arguments))})"
    return f"{text}  # {prose(call.doc)}" if call.doc else text


def _argument(a: Argument) -> str:
    match a:
        case Elem():
            return _element(a)
        case Table(const):
            return const
    return str(a)


def _element(e: Elem) -> str:
    """buffer[offset + stride j]; a prime marks the copy being computed."""
    terms = {0: [], 1: ["j"]}.get(e.stride, [f"{e.stride} j"])
    terms += [str(e.offset)] if e.offset or not terms else []
    mark = "'" if e.new else " from the end" if e.mirror else ""
    return f"{e.buffer}{mark}[{' + '.join(terms)}]"


def _dot(dot: Dot) -> Iterator[str]:
    """The accumulators with their width, then one line per segment."""
    yield f"{' '.join(dot.outs)} = {dot.width} sums of {dot.bias} and {dot.weight}:"
    for s in dot.segments:
        sums = " ".join(dot.outs[r] for r in s.results)
        j = f"{s.stride} j + " if s.stride else ""
        span = f"{j}{s.offset} .. {j}{s.offset + s.size - 1}"
        yield f"  {s.vector}{chr(39) if s.new else ''}[{span}] into {sums}"
