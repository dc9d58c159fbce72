"""The program of a .pt2 file as the records that the PyTorch front end reads; nothing is evaluated.

Operators are names, looked up later in the front end's own table; dynamic sizes must be plain
symbols.  Whatever is not exactly as torch writes it raises ValueError or an error like it, which
`read_graph` turns into one sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnn2c.errors import MAX_NAME, Rnn2cError, UnsupportedError, quoted
from rnn2c.frontend.json_text import Json
from rnn2c.frontend.pt2_archive import MAX_RANK, SAVE_AGAIN, TYPES, Pt2File
from rnn2c.frontend.pytorch_graph import Graph, Node, Ref, Source, TorchName, result_names
from rnn2c.frontend.values import Constant

MAX_NODES = 20_000
MAX_TEXT = 2000
MAX_STEPS = 2**16
NUMBERS = {"Infinity": float("inf"), "-Infinity": -float("inf"), "NaN": float("nan")}
SYMBOL = re.compile(r"Symbol\('(\w{1,60})'(?:, \w+=(?:True|False))*\)|([a-z]\w{0,60})", re.ASCII)
OPERATOR = re.compile(r"torch\.ops\.((?:aten|quantized_decomposed)\.\w{1,60}\.\w{1,60})", re.ASCII)
LAYOUTS = {7: "strided"}
MEMORY_FORMATS = {1: "contiguous_format", 4: "preserve_format"}


def read_graph(file: Pt2File, where: str) -> Graph:
    """Raises Rnn2cError, which starts with `where`, naming the node at fault."""
    reader = _Reader(file, where)
    try:
        return reader.read()
    except Rnn2cError:
        raise
    except Exception as error:  # JSON of another shape raises nearly anything
        raise Rnn2cError(
            f"{where}: its program is damaged at {reader.at} ({type(error).__name__}); {SAVE_AGAIN}"
        ) from None


class _Reader:
    def __init__(self, file: Pt2File, where: str) -> None:
        self.file, self.where, self.at = file, where, "its start"
        self.module: Json = file.program["graph_module"]
        self.known: set[str] = set()
        self.nodes: list[Node] = []

    def read(self) -> Graph:
        graph, signature = self.module["graph"], self.module["signature"]
        self.at = "its inputs"
        sources, constants = self._inputs(graph, _items(signature["input_specs"]))
        if len(_items(graph["nodes"])) > MAX_NODES:
            raise UnsupportedError(f"{self.where}: more than {MAX_NODES} nodes")
        for number, node in enumerate(graph["nodes"]):
            self.at = f"node {number}"
            self._node(node, number)
        self.at = "its outputs"
        for spec in _items(signature["output_specs"]):
            if list(spec) != ["user_output"]:
                raise UnsupportedError(
                    f"{self.where}: the program changes a buffer or an input while it runs "
                    f"({quoted(next(iter(spec)))}); return the new value instead"
                )
        returned = [self._argument(a) for a in _items(graph["outputs"])]
        names = result_names(len(returned), self._keys())
        results = tuple(zip(names, returned, strict=True))
        return Graph(tuple(sources), constants, tuple(self.nodes), results)

    def _keys(self) -> list[Any] | None:
        """The keys of the dictionary that the module returns, None if it returns no dictionary."""
        entries = _items(self.module["module_call_graph"])
        signature = next((e["signature"] for e in entries if e["fqn"] == ""), None)
        spec = json.loads(_text(signature["out_spec"], 2**16))[1] if signature else {}
        if spec.get("type") != "builtins.dict":
            return None
        return [_text(key) for key in json.loads(spec["context"])]

    def _inputs(self, graph: Json, specs: list[Json]) -> tuple[list[Source], dict[str, Constant]]:
        sources: list[Source] = []
        constants: dict[str, Constant] = {}
        held: dict[str, tuple[str, Mapping[str, Constant]]] = {
            "parameter": ("parameter_name", self.file.weights),
            "buffer": ("buffer_name", {**self.file.constants, **self.file.weights}),
            "tensor_constant": ("tensor_constant_name", self.file.constants),
        }
        for given, spec in zip(_items(graph["inputs"]), specs, strict=True):
            kind, item = _only(spec)
            if kind in held:
                key, stored = held[kind]
                name = self._new(given["as_tensor"]["name"])
                if item["arg"]["name"] != name:
                    raise ValueError("inputs in another order")
                constants[name] = stored[_text(item[key])]
                if kind == "parameter" and constants[name].dtype != np.float32:
                    raise UnsupportedError(
                        f"{self.where}: parameter {quoted(item[key])} has type "
                        f"{constants[name].dtype}; parameters must be float32"
                    )
            elif kind == "user_input" and list(item["arg"]) == ["as_tensor"]:
                name = self._new(item["arg"]["as_tensor"]["name"])
                sources.append(self._source(name, graph["tensor_values"][name]))
            elif kind == "constant_input":
                sources.append(Source(self._new(item["name"]), None, ""))
            else:
                raise UnsupportedError(
                    f"{self.where}: an input of kind {quoted(kind)} is not supported; inputs must "
                    "be tensors"
                )
        return sources, constants

    def _source(self, name: str, meta: Json) -> Source:
        where = f"{self.where}: input {quoted(name)}"
        kind = TYPES.get(meta["dtype"], f"number {meta['dtype']}")
        shape = tuple(_size(size, where) for size in _items(meta["sizes"]))
        steps = 1
        for size in shape[:-1]:
            steps *= size if isinstance(size, int) else 1
        if len(shape) > MAX_RANK or steps > MAX_STEPS:
            raise UnsupportedError(
                f"{where}: shape {list(shape)[:MAX_RANK]} has more than {MAX_STEPS} steps; export "
                "fewer, any number runs"
            )
        return Source(name, shape, f"torch.{kind}")

    def _node(self, node: Json, number: int) -> None:
        target = _text(node["target"])
        match = OPERATOR.fullmatch(target)
        if match is None:
            raise UnsupportedError(
                f"{self.where}: node {number} calls {quoted(target)}, which is no operator of aten"
            )
        arguments: dict[str, Any] = {}
        for given in _items(node["inputs"]):
            name = _text(given["name"], MAX_NAME)
            if name in arguments:
                raise ValueError("an argument is given twice")
            arguments[name] = self._argument(given["arg"])
        path = _module_path(node["metadata"].get("nn_module_stack", ""))
        outputs = _items(node["outputs"])
        whole = outputs[0] if len(outputs) == 1 else {}
        single = whole.get("as_tensor", whole.get("as_sym_int", {}))
        names = [o["as_tensor"] for o in outputs] if len(outputs) > 1 else whole.get("as_tensors")
        if single:
            name = self._new(single["name"] if "name" in single else single["as_name"])
        else:  # several results, or none
            name = self._new(node.get("name") or f"node {number}")
        self.nodes.append(Node(name, match[1], arguments, path))
        for index, result in enumerate(names or []):
            part = {"self": Ref(name), "index": index}
            self.nodes.append(Node(self._new(result["name"]), "getitem", part, path))

    def _argument(self, given: Json) -> Any:
        kind, value = _only(given)
        if kind not in ARGUMENTS:
            raise UnsupportedError(
                f"{self.where}: {self.at} of the program has an argument of kind {quoted(kind)}, "
                "which is not supported"
            )
        return ARGUMENTS[kind](self, value)

    def ref(self, value: Json) -> Ref:
        """A tensor by name."""
        return self._known(value["name"])

    def symbol(self, value: Json) -> Ref | int:
        """A size that is a number or computed by a node."""
        return _whole(value["as_int"]) if "as_int" in value else self._known(value["as_name"])

    def _known(self, name: Any) -> Ref:
        if _text(name) not in self.known:
            raise ValueError("reads what is not there yet")
        return Ref(name)

    def _new(self, name: Any) -> str:
        if _text(name) in self.known or not name:
            raise ValueError("a name is given twice")
        self.known.add(name)
        return str(name)


def _each(one: Callable[[_Reader, Any], Any]) -> Callable[[_Reader, Any], list[Any]]:
    return lambda reader, values: [one(reader, value) for value in _items(values)]


def _optional(reader: _Reader, value: Json) -> Ref | None:
    return reader.ref(value["as_tensor"]) if "as_tensor" in value else None


ARGUMENTS: dict[str, Callable[[_Reader, Any], Any]] = {
    "as_none": lambda reader, value: None,
    "as_tensor": _Reader.ref,
    "as_tensors": _each(_Reader.ref),
    "as_optional_tensor": _optional,
    "as_optional_tensors": _each(_optional),
    "as_int": lambda reader, value: _whole(value),
    "as_ints": _each(lambda reader, value: _whole(value)),
    "as_sym_int": _Reader.symbol,
    "as_sym_ints": _each(_Reader.symbol),
    "as_float": lambda reader, value: _real(value),
    "as_floats": _each(lambda reader, value: _real(value)),
    "as_bool": lambda reader, value: _truth(value),
    "as_bools": _each(lambda reader, value: _truth(value)),
    "as_string": lambda reader, value: _text(value),
    "as_device": lambda reader, value: "cpu",
    "as_scalar_type": lambda reader, value: TorchName(f"torch.{TYPES[_whole(value)]}"),
    "as_layout": lambda reader, value: TorchName(f"torch.{LAYOUTS[_whole(value)]}"),
    "as_memory_format": lambda reader, value: TorchName(f"torch.{MEMORY_FORMATS[_whole(value)]}"),
}


def _only(union: Json) -> tuple[str, Any]:
    """The one field of a tagged union."""
    ((kind, value),) = union.items()
    return kind, value


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise ValueError("not a text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError("not a whole number")
    return value


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("neither true nor false")
    return value


def _real(value: Any) -> float:
    if isinstance(value, str):
        return NUMBERS[value]
    if type(value) not in (int, float):
        raise ValueError("not a number")
    return float(value)


def _size(size: Json, where: str) -> int | str:
    """A number, or the name of a dynamic size."""
    kind, value = _only(size)
    if kind == "as_int":
        if _whole(value) < 0:
            raise ValueError("not a size")
        return int(value)
    text = _text(value["expr_str"])
    match = SYMBOL.fullmatch(text)
    if match is None:
        raise UnsupportedError(
            f"{where}: a dimension is the expression {quoted(text)}; dynamic dimensions must be "
            "independent of each other: torch.export.Dim('name')"
        )
    return match[1] or match[2]


def _module_path(stack: Any) -> str:
    """The attribute path in `KEY,PATH,TYPE;KEY,PATH,TYPE`, of the innermost module."""
    parts = _text(stack, 2**16).split(";")[-1].split(",")
    path = parts[1] if len(parts) >= 3 else ""
    return "" if path.startswith("_empty_nn_module_stack") else path
