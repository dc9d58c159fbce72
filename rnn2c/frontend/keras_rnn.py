"""The recurrent layers of Keras: LSTM, GRU (both kinds) and SimpleRNN."""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.cell_functions import KERAS_2, KERAS_FUNCTIONS
from rnn2c.frontend.cells import CellForm, CellWeights
from rnn2c.frontend.gates import GATE_COUNT, Cell, from_keras
from rnn2c.frontend.keras_call import Call, Handler, zeros
from rnn2c.frontend.values import Value, quoted
from rnn2c.ir.graph import CellFunction, FloatArray, Layer

HARMLESS = frozenset(
    """kernel_initializer recurrent_initializer bias_initializer unit_forget_bias kernel_regularizer
    recurrent_regularizer bias_regularizer kernel_constraint recurrent_constraint bias_constraint
    dropout recurrent_dropout seed implementation unroll use_cudnn zero_output_for_mask stateful
    input_dim input_length""".split()
)
"""Training, speed, masks (refused elsewhere), and `stateful`: whoever calls the C code decides when
a sequence starts, so both kinds of layer compute the same."""


def recurrent(cell: Cell) -> Handler:
    """A handler for one kind of cell."""

    def handler(call: Call) -> Sequence[Value]:
        settings = call.settings
        settings.ignore(HARMLESS)
        for key in ("go_backwards", "time_major"):
            settings.must_be(key, False, f"use {key}=False")
        after = cell == "GRU" and settings.flag("reset_after", False)
        layer = call.builder.recurrent(
            cell,
            call.spec.name,
            call.operand,
            1,
            _weights(call, cell, after),
            _states(call, cell),
            call.where,
            CellForm(reset_after=after, activations=_functions(call, cell)),
        )
        return _results(call, layer)

    return handler


def _functions(call: Call, cell: Cell) -> tuple[CellFunction, ...]:
    """The activations in our order: gates first."""
    activation = _function(call, "activation")
    if cell == "RNN":
        return (activation,)
    gates = _function(call, "recurrent_activation")
    return (gates, activation, activation) if cell == "LSTM" else (gates, activation)


def _function(call: Call, key: str) -> CellFunction:
    name = call.settings.function(key, tuple(KERAS_FUNCTIONS))
    version = call.file.version.split(".")[0]
    if name in KERAS_2 and version not in ("2", "3"):
        raise call.refuse(
            f"{key} {quoted(name)} is not the same function in Keras 2 and 3, and the file does not"
            " say which one wrote it; save the model again"
        )
    return (KERAS_FUNCTIONS | KERAS_2 if version == "2" else KERAS_FUNCTIONS)[name]


def _weights(call: Call, cell: Cell, after: bool) -> CellWeights:
    """Keras keeps kernels transposed; only a GRU that resets after the product has two biases."""
    units, biased = call.settings.count("units"), call.settings.flag("use_bias")
    rows = GATE_COUNT[cell] * units
    found = call.weights(["kernel", "recurrent_kernel", *(["bias"] if biased else [])])
    kernel = call.shaped("kernel", found[0], (call.features(), rows))
    recurrent_kernel = call.shaped("recurrent_kernel", found[1], (units, rows))
    b_ih, b_hh = zeros(rows), zeros(rows)
    if biased and after:
        b_ih, b_hh = call.shaped("bias", found[2], (2, rows))
    elif biased:
        b_ih = call.shaped("bias", found[2], (rows,))
    ordered: list[FloatArray] = [
        from_keras(cell, array) for array in (kernel.T, recurrent_kernel.T, b_ih, b_hh)
    ]
    return CellWeights(*ordered)


def _states(call: Call, cell: Cell) -> list[Value | None]:
    wanted = 2 if cell == "LSTM" else 1
    states = call.states
    if len(states) not in (0, wanted):
        raise Rnn2cError(f"{call.where}: {len(states)} initial states, expected {wanted} or none")
    return list(states) or [None] * wanted


def _results(call: Call, layer: Layer) -> list[Value]:
    """The output, then with return_state the final h and, for an LSTM, the final c."""
    batch, time, _ = call.operand.axes
    last = call.builder.axes.new("feature", call.settings.count("units"))

    def final(name: str) -> Value:
        return Value((call.builder.last_step(name),), (batch, last))

    every = call.settings.flag("return_sequences")
    results: list[Value] = [
        Value((layer.name,), (batch, time, last)) if every else final(layer.name)
    ]
    if call.settings.flag("return_state", False):
        results += [final(name) for name in layer.outputs]
    return results


HANDLERS: dict[str, Handler] = {
    "GRU": recurrent("GRU"),
    "LSTM": recurrent("LSTM"),
    "SimpleRNN": recurrent("RNN"),
}
