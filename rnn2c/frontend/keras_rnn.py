"""The recurrent layers of Keras: LSTM, GRU (both kinds) and SimpleRNN."""

from __future__ import annotations

from collections.abc import Sequence

from rnn2c.errors import Rnn2cError
from rnn2c.frontend.cell_functions import KERAS_2, KERAS_FUNCTIONS
from rnn2c.frontend.cells import CellForm, CellWeights
from rnn2c.frontend.gates import GATE_COUNT, Cell, from_keras
from rnn2c.frontend.in_time import final, masked
from rnn2c.frontend.keras_call import Call, Handler, zeros
from rnn2c.frontend.values import Value, quoted
from rnn2c.ir.graph import CellFunction, Direction, FloatArray, Recurrent

HARMLESS = frozenset(
    """kernel_initializer recurrent_initializer bias_initializer unit_forget_bias kernel_regularizer
    recurrent_regularizer bias_regularizer kernel_constraint recurrent_constraint bias_constraint
    dropout recurrent_dropout seed implementation unroll use_cudnn stateful input_dim
    input_length""".split()
)
"""Training, speed, and `stateful`: whoever calls the C code decides when
a sequence starts, so both kinds of layer compute the same."""


def recurrent(cell: Cell) -> Handler:
    """A handler for one kind of cell."""

    def handler(call: Call) -> Sequence[Value]:
        layer = cell_layer(call, cell)
        every = call.settings.flag("return_sequences")
        shown = shown_value(call, layer, every=every)
        if every and layer.direction == "reverse":  # in the order in which it ran
            name = call.builder.over_time(shown.parts[0], "flip")
            shown = Value((name,), shown.axes)
            if call.mask:
                raise call.refuse("go_backwards over masked steps; use Bidirectional")
        call.passes = call.mask if every else ""
        call.uses_mask = True
        if call.settings.flag("return_state", False):
            return [shown, *(final_value(call, name) for name in layer.outputs)]
        return [shown]

    return handler


def cell_layer(call: Call, cell: Cell) -> Recurrent:
    """The layer that a call describes."""
    settings = call.settings
    settings.ignore(HARMLESS)
    settings.must_be("time_major", False, "use time_major=False")
    direction: Direction = "reverse" if settings.flag("go_backwards", False) else "forward"
    after = cell == "GRU" and settings.flag("reset_after", False)
    name = call.spec.name
    return call.builder.recurrent(
        cell,
        f"{name}_reverse" if call.inner.startswith("backward") else name,
        call.operand,
        1,
        _weights(call, cell, after),
        _states(call, cell),
        call.where,
        CellForm(reset_after=after, activations=_functions(call, cell), direction=direction),
        call.mask,
    )


def shown_value(call: Call, layer: Recurrent, *, every: bool) -> Value:
    """h at every step, in the order of time, or when the layer ends."""
    zeroed = call.settings.flag("zero_output_for_mask", False)
    if not every:
        return final_value(call, layer.name)
    batch, time, _ = call.operand.axes
    name = masked(call.builder, layer.name, call.mask) if zeroed and call.mask else layer.name
    return Value((name,), (batch, time, call.builder.axes.new("feature", layer.size)))


def final_value(call: Call, name: str) -> Value:
    """A state when the layer ends."""
    units = call.settings.count("units")
    features = call.builder.axes.new("feature", units)
    return Value((final(call.builder, name),), (call.operand.axes[0], features))


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


CELLS: dict[str, Cell] = {"GRU": "GRU", "LSTM": "LSTM", "SimpleRNN": "RNN"}
HANDLERS: dict[str, Handler] = {kind: recurrent(cell) for kind, cell in CELLS.items()}
