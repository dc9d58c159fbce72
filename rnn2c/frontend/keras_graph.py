"""The graph in a Keras file: layers, which tensors each call of a layer reads, inputs and outputs.

Sequential and Functional models of Keras 2 and Keras 3 all become one Network.  A tensor is known
by the layer that makes it, which of its calls, and which of that call's results: (layer, 0, 0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.json_text import Json
from rnn2c.frontend.values import quoted

MAX_LAYERS = 500
MAX_CALLS = 2000

Reference = tuple[str, int, int]


@dataclass(frozen=True)
class Node:
    """One call of a layer: the tensors it reads, in order, its other arguments, and numbers among
    the tensors.
    """

    inputs: tuple[Reference, ...]
    options: Json
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True)
class LayerSpec:
    """A layer of the file.  folder: where a .keras file keeps its weights, below `layers`."""

    name: str
    kind: str
    config: Json
    nodes: tuple[Node, ...]
    folder: str

    @property
    def where(self) -> str:
        return described(self.name, self.kind)


@dataclass(frozen=True)
class Network:
    """inputs: names of InputLayers; outputs: (name, tensor)."""

    layers: tuple[LayerSpec, ...]
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, Reference], ...]


def described(name: object, kind: object) -> str:
    """How an error names a layer."""
    return f"layer {quoted(name)} ({quoted(kind)[1:-1]})"


def read_network(config: Json) -> Network:
    """The Network in a model's JSON; raises Rnn2cError naming the layer that is malformed."""
    kind = config.get("class_name")
    inner = config.get("config")
    if kind == "Sequential":
        return _sequential({"layers": inner} if isinstance(inner, list) else _object(inner, kind))
    if kind in ("Functional", "Model"):
        return _functional(_object(inner, kind))
    raise UnsupportedError(
        f"the model is a {quoted(kind)}; only Sequential and Functional models are read, "
        "rebuild it as one of them or export it to ONNX"
    )


def _sequential(config: Json) -> Network:
    _refuse_unknown(config, "name trainable dtype layers build_input_shape", "the Sequential model")
    entries = _entries(config)
    if entries and entries[0].get("class_name") != "InputLayer":
        entries.insert(0, _made_input(entries[0], config))
    chain: list[LayerSpec] = []
    folders = Folders()
    for k, entry in enumerate(entries):
        name, kind, inner = _parts(entry)
        inputs = (Node(((chain[-1].name, 0, 0),), {}),) if k else ()
        chain.append(LayerSpec(name, kind, inner, inputs, folders.take(kind) if k else ""))
    _refuse_repeated(chain)
    if len(chain) < 2:
        raise Rnn2cError("the Sequential model has no layers")
    last = chain[-1].name
    return Network(tuple(chain), (chain[0].name,), ((last, (last, 0, 0)),))


def _made_input(first: Json, config: Json) -> Json:
    """The InputLayer that a Sequential model leaves out, from the shape it was built with."""
    name, _, inner = _parts(first)
    for shape in (inner.get("batch_input_shape"), inner.get("batch_shape")):
        if shape is not None:
            break
    else:
        shape = config.get("build_input_shape")
    if shape is None:
        raise Rnn2cError(
            f"layer {quoted(name)}: the model has no input shape; call it once and save it again"
        )
    made = {"name": f"{name}_input", "batch_shape": shape}
    return {"class_name": "InputLayer", "config": made}


def _functional(config: Json) -> Network:
    _refuse_unknown(
        config, "name trainable dtype layers input_layers output_layers", "the Functional model"
    )
    specs: list[LayerSpec] = []
    folders = Folders()
    for entry in _entries(config):
        name, kind, inner = _parts(entry)
        name = entry.get("name", name)
        where = described(name, kind)
        nodes = tuple(_node(n, where) for n in _list(entry.get("inbound_nodes"), where))
        specs.append(LayerSpec(str(name), kind, inner, nodes, folders.take(kind)))
    _refuse_repeated(specs)
    if sum(len(s.nodes) for s in specs) > MAX_CALLS:
        raise UnsupportedError(f"more than {MAX_CALLS} calls of layers")
    inputs = tuple(r[0] for _, r in _ports(config.get("input_layers"), "input_layers"))
    outputs = _ports(config.get("output_layers"), "output_layers")
    return Network(tuple(specs), inputs, tuple((n or _shown(r, specs), r) for n, r in outputs))


def _shown(reference: Reference, specs: list[LayerSpec]) -> str:
    """An output is called as its layer; a final state of a recurrent layer NAME_h or NAME_c."""
    name, _, which = reference
    return name if which == 0 else f"{name}_{'hc'[which - 1] if which in (1, 2) else which}"


def _ports(found: Any, what: str) -> list[tuple[str, Reference]]:
    """(name or "", tensor) of every input or output; Keras nests them as the caller did."""
    if is_reference(found):
        return [("", as_reference(found))]
    if isinstance(found, dict):
        return [(k, r) for k, v in found.items() for _, r in _ports(v, what)]
    return [port for item in _list(found, what) for port in _ports(item, what)]


def is_reference(found: Any) -> bool:
    """True for ["layer", 0, 0]."""
    return isinstance(found, list) and len(found) == 3 and _is_history(found)


def _is_history(found: list[Any]) -> bool:
    numbers = all(type(k) is int and 0 <= k < MAX_CALLS for k in found[1:3])
    return isinstance(found[0], str) and numbers


def as_reference(found: list[Any]) -> Reference:
    """The tensor that ["layer", 0, 0, ...] stands for."""
    return (found[0], found[1], found[2])


def _node(found: Any, where: str) -> Node:
    if isinstance(found, dict):  # Keras 3
        _refuse_unknown(found, "args kwargs", where)
        given = found.get("args", [])
        numbers: tuple[float, ...] = ()
        if isinstance(given, list):
            numbers = tuple(float(a) for a in given if type(a) in (int, float) and abs(a) < 1e30)
            given = [a for a in given if type(a) not in (int, float) or not abs(a) < 1e30]
        inputs = tuple(tensors(given, where))
        return Node(inputs, _object(found.get("kwargs", {}), where), numbers)
    inputs_2: list[Reference] = []
    options: Json = {}
    for item in _list(found, where):  # Keras 2: ["layer", 0, 0, {options of the call}]
        if not isinstance(item, list) or len(item) not in (3, 4) or not _is_history(item):
            raise UnsupportedError(f"{where}: is called with something that is no layer's result")
        inputs_2.append(as_reference(item))
        options |= _object(item[3], where) if len(item) == 4 else {}
    return Node(tuple(inputs_2), options)


def tensors(found: Any, where: str) -> list[Reference]:
    """All tensors in the arguments of a call; None and False are defaults."""
    if found is None or found is False:
        return []
    if is_reference(found):
        return [as_reference(found)]
    if isinstance(found, list):
        return [r for item in found for r in tensors(item, where)]
    if isinstance(found, dict) and found.get("class_name") == "__keras_tensor__":
        inner = _object(found.get("config"), where)
        if is_reference(inner.get("keras_history")):
            return [as_reference(inner["keras_history"])]
    raise UnsupportedError(
        f"{where}: is called with {quoted(found)}; only results of layers are supported"
    )


class Folders:
    """Hands out the folders of a .keras file: lstm, lstm_1, dense, ... in the order of layers."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def take(self, kind: str) -> str:
        stem = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
        stem = re.sub("([a-z])([A-Z])", r"\1_\2", stem).lower()
        number = self._used.get(stem, -1) + 1
        self._used[stem] = number
        return f"{stem}_{number}" if number else stem


def _entries(config: Json) -> list[Json]:
    found = [_object(e, "a layer") for e in _list(config.get("layers"), "the model's layers")]
    if len(found) > MAX_LAYERS:
        raise UnsupportedError(f"{len(found)} layers; models up to {MAX_LAYERS} layers are read")
    return found


def _parts(entry: Json) -> tuple[str, str, Json]:
    """Name, class and settings of a layer; own classes are refused."""
    kind, inner = entry.get("class_name"), _object(entry.get("config"), "a layer")
    name = inner.get("name", entry.get("name"))
    if not isinstance(kind, str) or not isinstance(name, str) or not name:
        raise Rnn2cError(f"layer {quoted(name)}: has no name or no class; save the model again")
    refuse_own_class(entry, name, kind)
    return name, kind, inner


def refuse_own_class(entry: Json, name: str, kind: str) -> None:
    """Raise UnsupportedError for a class that is not one of Keras' own, or an unknown key."""
    where = described(name, kind)
    module = entry.get("module")
    registered = entry.get("registered_name")
    foreign = module is not None and str(module).split(".")[0] not in ("keras", "tf_keras")
    if foreign or registered not in (None, kind):
        raise UnsupportedError(
            f"{where}: is a class of your own ({quoted(registered or module)}), whose code is "
            "never run; build the model of standard layers or export it to ONNX"
        )
    _refuse_unknown(
        entry,
        "class_name config name inbound_nodes module registered_name build_config compile_config "
        "shared_object_id",
        where,
    )


def _refuse_unknown(found: Json, known: str, where: str) -> None:
    for key in found:
        if key not in known.split():
            raise UnsupportedError(f"{where}: {quoted(key)} is not known; export it to ONNX")


def _refuse_repeated(specs: list[LayerSpec]) -> None:
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise Rnn2cError(f"two layers are called {quoted(spec.name)}")
        seen.add(spec.name)


def _object(found: Any, where: object) -> Json:
    if not isinstance(found, dict):
        raise Rnn2cError(f"{where}: settings are missing; save the model again")
    return found


def _list(found: Any, where: str) -> list[Any]:
    if not isinstance(found, list):
        raise Rnn2cError(f"{where}: a list is missing; save the model again")
    return found
