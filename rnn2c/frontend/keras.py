"""The Keras front end: .keras and .h5 files, read from their own JSON and weights.

The file is untrusted; neither Keras nor TensorFlow is needed or run.  A layer, a setting or a
weight that has no handler is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend import (
    keras_directions,
    keras_features,
    keras_functions,
    keras_layers,
    keras_masks,
    keras_merge,
    keras_rnn,
    keras_temporal,
)
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.keras_file import KerasFile, read_keras
from rnn2c.frontend.keras_graph import LayerSpec, Network, Node, Reference, read_network, tensors
from rnn2c.frontend.keras_masks import Masks
from rnn2c.frontend.keras_settings import Settings
from rnn2c.frontend.values import Axis, Value, plain, quoted
from rnn2c.ir.graph import Model

HANDLERS: dict[str, Handler] = {
    **keras_features.HANDLERS,
    **keras_functions.HANDLERS,
    **keras_layers.HANDLERS,
    **keras_rnn.HANDLERS,
    **keras_temporal.HANDLERS,
    **keras_masks.HANDLERS,
    **keras_merge.HANDLERS,
    **keras_directions.HANDLERS,
}
INPUT = "InputLayer"
SUPPORTED = (
    "LSTM, GRU, SimpleRNN, Bidirectional, TimeDistributed, Masking, Embedding, Dense, "
    "convolutions and pooling over time, normalizations, activations, Rescaling, Add and the "
    "other merging layers"
)
CROSS_CHECK = "not cross-checked: Keras is not run"
ADVICE = {
    "Lambda": "holds Python code, which is never run; use standard layers",
}
OPTIONS_OFF = ("training",)
"""Options of a call that may only be absent, None or False."""

Tensors = dict[Reference, Value]


def load_keras(path: Path, name: str | None = None) -> Model:
    """Import a .keras or .h5 file.

    name: of the Model, by default the file's stem.  The result is not cross-checked, and says so.
    Raises Rnn2cError naming the layer, the setting and what is supported instead.
    """
    file = read_keras(path)
    network = read_network(file.config)
    _refuse_layers(network.layers)
    builder = Builder(name or plain(path.stem) or "model")
    found, masks = _inputs(builder, network), Masks()
    for spec, number in _in_order(network, found):
        for which, result in enumerate(_run(builder, file, spec, number, found, masks)):
            found[spec.name, number, which] = result
    outputs = [
        (shown, _defined(found, reference, f"output {quoted(shown)}"))
        for shown, reference in _distinct(network.outputs)
    ]
    return replace(builder.finish(outputs).model, cross_check=CROSS_CHECK)


def _refuse_layers(layers: Sequence[LayerSpec]) -> None:
    """One line about every kind of layer that is not supported, so nobody meets them one by one."""
    first = {s.kind: s for s in reversed(layers) if s.kind != INPUT and s.kind not in HANDLERS}
    if not first:
        return
    known = [f"{s.where}: {ADVICE[s.kind]}" for s in reversed(first.values()) if s.kind in ADVICE]
    others = [s.where for s in reversed(first.values()) if s.kind not in ADVICE]
    if others:
        known.append(f"{', '.join(others[:3])}: not supported; supported are {SUPPORTED}")
    raise UnsupportedError("; ".join(known))


def _inputs(builder: Builder, network: Network) -> Tensors:
    """Declare the model's inputs, in its order."""
    specs = {s.name: s for s in network.layers if s.kind == INPUT}
    found: Tensors = {}
    for name in network.inputs:
        if name not in specs or (name, 0, 0) in found:
            raise Rnn2cError(f"input {quoted(name)}: no layer, or used twice; save the model again")
        readers = {s.kind for s in network.layers for n in s.nodes if (name, 0, 0) in n.inputs}
        if readers - {"NotEqual"} == {keras_features.EMBEDDING}:
            found[name, 0, 0] = builder.tokens(name, _axes(specs[name], tokens=True), "int32")
        else:
            found[name, 0, 0] = builder.input(name, _axes(specs[name]))
    unused = [s.where for s in specs.values() if (s.name, 0, 0) not in found]
    if unused:
        raise Rnn2cError(f"{unused[0]}: is no input of the model; save the model again")
    return found


def _axes(spec: LayerSpec, *, tokens: bool = False) -> list[Axis]:
    """Batch, time where there is one, features; of tokens [batch, time], of any type."""
    settings = Settings(spec.where, spec.config)
    for key in ("sparse", "ragged", "optional"):
        settings.must_be(key, False, "give a dense tensor")
    if tokens:
        settings.ignore(frozenset({"dtype"}))
    else:
        settings.finish()
    shape = spec.config.get("batch_shape", spec.config.get("batch_input_shape"))
    if not isinstance(shape, list) or not all(
        d is None or (type(d) is int and 0 <= d < 2**31) for d in shape
    ):
        raise Rnn2cError(f"{spec.where}: shape {quoted(shape)}; save the model again")
    if len(shape) not in ((2,) if tokens else (2, 3)):
        raise UnsupportedError(
            f"{spec.where}: shape {quoted(shape)}; inputs are [batch, time, features] or "
            "[batch, features], tokens [batch, time]"
        )
    return [Axis(d) for d in shape]


def _in_order(network: Network, found: Tensors) -> Iterator[tuple[LayerSpec, int]]:
    """Every call once, each after those it reads; `found` grows between two of them."""
    left = [(s, k) for s in network.layers for k in range(len(s.nodes)) if s.kind != INPUT]
    while left:
        later = []
        for spec, number in left:
            if all(r in found for r in _waits_for(spec, spec.nodes[number])):
                yield spec, number
            else:
                later.append((spec, number))
        if len(later) == len(left):
            spec, number = later[0]
            missing = next(r for r in _waits_for(spec, spec.nodes[number]) if r not in found)
            raise Rnn2cError(
                f"{spec.where}: reads result {missing[2]} of call {missing[1]} of layer "
                f"{quoted(missing[0])}, which is not there; save the model again"
            )
        left = later


def _reads(spec: LayerSpec, node: Node) -> list[Reference]:
    """Operands, then initial states."""
    return [*node.inputs, *tensors(node.options.get("initial_state"), spec.where)]


def _waits_for(spec: LayerSpec, node: Node) -> list[Reference]:
    return [*_reads(spec, node), *tensors(node.options.get("mask"), spec.where)]


def _run(
    builder: Builder, file: KerasFile, spec: LayerSpec, number: int, found: Tensors, masks: Masks
) -> Sequence[Value]:
    node = spec.nodes[number]
    for key, value in node.options.items():
        if key not in ("initial_state", "mask", *OPTIONS_OFF):
            raise UnsupportedError(f"{spec.where}: argument {quoted(key)} is not supported")
        if key in OPTIONS_OFF and value not in (None, False):
            raise UnsupportedError(
                f"{spec.where}: is called with {key}={quoted(value)}; leave {key} out"
            )
    operands = [found[r] for r in _reads(spec, node)]
    recurrent = spec.kind in (*keras_rnn.HANDLERS, *keras_directions.HANDLERS)
    merges = spec.kind in keras_merge.HANDLERS
    if not operands or (len(operands) > 1 and not recurrent and not merges):
        raise UnsupportedError(f"{spec.where}: reads {len(operands)} tensors, expected 1")
    if node.numbers and spec.kind != "NotEqual":
        raise UnsupportedError(
            f"{spec.where}: is called with {node.numbers[0]:g}; only results of layers are"
            " supported"
        )
    if any(r in masks.compared for r in node.inputs) and spec.kind != "Any":
        raise UnsupportedError(f"{spec.where}: reads what NotEqual makes; use a Masking layer")
    inner = "cell" if recurrent else ""
    own = len(operands) if merges else 1
    call = Call(
        builder, file, spec, operands[:own], operands[own:], inner, numbers=node.numbers,
        mask=masks.of(spec, node), compared=masks.compared.get(node.inputs[0]),
    )  # fmt: skip
    results = HANDLERS[spec.kind](call)
    call.settings.finish()
    masks.store(spec, number, call, len(results))
    return results


def _distinct(outputs: Sequence[tuple[str, Reference]]) -> list[tuple[str, Reference]]:
    """Outputs with names of their own: a layer that is called twice makes NAME and NAME_1."""
    taken: set[str] = set()
    distinct = []
    for name, reference in outputs:
        number, free = 0, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        distinct.append((free, reference))
    return distinct


def _defined(found: Tensors, reference: Reference, where: str) -> Value:
    if reference not in found:
        raise Rnn2cError(f"{where}: layer {quoted(reference[0])} does not make it")
    return found[reference]
