"""The length of a sequence as an input of an ONNX file (sequence_lens of LSTM, GRU and RNN).

Steps are calls here: who calls `step` as often as the sequence is long and then `finish` has said
how long it is.  So such an input is left out, where it says nothing but that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import onnx

from rnn2c.errors import quoted

OPERATORS = ("LSTM", "GRU", "RNN")
AT = 4
"""Which of their inputs is sequence_lens."""


def length_inputs(graph: onnx.GraphProto, constants: Collection[str]) -> tuple[str, ...]:
    """Names of the inputs that nothing reads but as the length of sequences."""
    lengths: set[str] = set()
    others = {o.name for o in graph.output}
    for node in graph.node:
        for k, name in enumerate(node.input):
            (lengths if node.op_type in OPERATORS and k == AT else others).add(name)
    names = [i.name for i in graph.input if i.name not in constants]
    return tuple(n for n in names if n in lengths and n not in others)


def without_lengths(
    nodes: Sequence[onnx.NodeProto], lengths: Collection[str]
) -> list[onnx.NodeProto]:
    """The nodes, those that read these inputs as copies that do not."""
    made = []
    for node in nodes:
        if lengths and any(name in lengths for name in node.input):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[AT] = ""
            node = copy
        made.append(node)
    return made


def length_note(lengths: Sequence[str]) -> str:
    """What an import says of them."""
    if not lengths:
        return ""
    names = ", ".join(quoted(n) for n in lengths)
    return f"; {names}, the length, is no input any more: call finish after the last step"
