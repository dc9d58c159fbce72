"""The RNN, LSTM and GRU node tests of the onnx package, cut into models of batch 1.

Weights, biases, peepholes and lengths become initializers, as in a file that somebody trained; the
input and the initial states stay inputs.
"""

from __future__ import annotations

import numpy as np
import onnx
from conform import Case
from onnx import helper, numpy_helper
from onnx.backend.test.case import node as node_tests

with np.errstate(all="ignore"):  # some BLAS raise flags that mean nothing
    from onnx.backend.test.case.node import gru, lstm, rnn

OPERATORS = ("RNN", "LSTM", "GRU")
MODULES = (gru, lstm, rnn)  # importing them registers their tests
STATES = ("initial_h", "initial_c")


def node_tests_of_cells() -> list:
    """The node tests with a recurrent operator, each once."""
    found = {t.name: t for t in node_tests._NodeTestCases if _operator(t) in OPERATORS}
    return list(found.values())


def _operator(test) -> str:
    return test.model.graph.node[0].op_type


def cut(test) -> list[Case]:
    """One case per row of the batch."""
    (node,) = test.model.graph.node
    inputs, outputs = test.data_sets[0]
    arrays = dict(zip([n for n in node.input if n], inputs, strict=True))
    given = dict(zip([n for n in node.output if n], outputs, strict=True))
    first = any(a.name == "layout" and a.i == 1 for a in node.attribute)
    rows = arrays["X"].shape[0 if first else 1]
    return [_row(test, node, arrays, given, row, first) for row in range(rows)]


def _row(test, node, arrays, given, row: int, first: bool) -> Case:
    def one(name: str, array: np.ndarray) -> np.ndarray:
        # Y is [T, D, N, H] or [N, T, D, H], the states [D, N, H] or [N, D, H].
        axis = 0 if first else 2 if name == "Y" else 1
        return array.take([row], axis=axis)

    fed = {k: one(k, a) for k, a in arrays.items() if k in ("X", *STATES)}
    baked = {k: a for k, a in arrays.items() if k not in fed}
    if "sequence_lens" in baked:
        baked["sequence_lens"] = baked["sequence_lens"][row : row + 1].astype(np.int32)
    wanted = {k: one(k, a) for k, a in given.items()}
    graph = helper.make_graph(
        [node],
        test.name,
        [described(k, a) for k, a in fed.items()],
        [described(k, a) for k, a in wanted.items()],
        [numpy_helper.from_array(a, k) for k, a in baked.items()],
    )
    proto = helper.make_model(graph, opset_imports=test.model.opset_import, ir_version=8)
    return Case(f"{test.name}[{row}]", proto, fed, wanted)


def described(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, array.shape)
