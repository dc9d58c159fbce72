"""Masks of Keras: which layer makes one, which pass it on, which hold their state by it.

A Masking layer makes a mask, implicitly (Sequential, Keras 2) or as operations NotEqual and Any of
the same graph (functional, Keras 3); so does an Embedding with mask_zero, by NotEqual alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.in_time import masked
from rnn2c.frontend.keras_call import Call, Handler
from rnn2c.frontend.keras_graph import LayerSpec, Node, Reference, tensors
from rnn2c.frontend.values import Value
from rnn2c.ir import window

PASSED = (
    *("Activation", "BatchNormalization", "Dense", "Dropout", "ELU", "LayerNormalization"),
    *("LeakyReLU", "ReLU", "TimeDistributed"),
)
"""Layers that treat a masked step like any other one."""

MADE_BY = ("Any", "Masking", "NotEqual")


@dataclass
class Masks:
    """By tensor: the value that is its mask, and with what an operation NotEqual compares it."""

    names: dict[Reference, str] = field(default_factory=dict)
    compared: dict[Reference, float] = field(default_factory=dict)

    def of(self, spec: LayerSpec, node: Node) -> str:
        """The mask of a call; the empty string without one."""
        found = {self.names[r] for r in node.inputs if self.names.get(r)}
        if len(found) > 1:
            raise UnsupportedError(f"{spec.where}: reads data with different masks; use one mask")
        for reference in tensors(node.options.get("mask"), spec.where):
            if reference not in self.names:
                raise UnsupportedError(
                    f"{spec.where}: its mask is not made by a Masking layer; use one"
                )
            found = {self.names[reference]}
        return max(found, default="")

    def store(self, spec: LayerSpec, number: int, call: Call, results: int) -> None:
        """Remember the mask of what a call made; refuse a mask where it would be lost."""
        reference = (spec.name, number, 0)
        if spec.kind == "NotEqual" and not call.passes:
            self.compared[reference] = call.numbers[0]
        if call.mask and not call.uses_mask and spec.kind not in (*PASSED, *MADE_BY):
            raise UnsupportedError(
                f"{spec.where}: masked steps reach it; only recurrent layers and"
                f" {', '.join(PASSED)} can follow a Masking layer"
            )
        if call.passes or spec.kind in PASSED:
            for which in range(results):
                self.names[spec.name, number, which] = call.passes or call.mask


def value_mask(builder: Builder, x: str, value: float) -> str:
    """The mask of a value of the model, made once."""
    name = f"{x}.other_than_{value:g}"
    if builder.layer(name) is None:
        builder.add(window.ValueMask(name=name, inputs=(x,), value=value))
    return name


def masking(call: Call) -> Sequence[Value]:
    """x, zero where every feature equals mask_value; and the mask that says so."""
    x = call.builder.vector(call.operand, call.where)
    call.passes = value_mask(call.builder, x, call.settings.number("mask_value"))
    return [Value((masked(call.builder, x, call.passes),), call.operand.axes)]


def not_equal(call: Call) -> Sequence[Value]:
    """The first half of a mask."""
    if len(call.numbers) != 1:
        raise call.refuse("is called with something else than a tensor and a number")
    if not call.builder.is_float(call.operand):
        call.passes = value_mask(call.builder, call.operand.parts[0], call.numbers[0])
        return [Value((call.passes,), call.operand.axes)]
    return [call.operand]


def any_(call: Call) -> Sequence[Value]:
    """The second half: over the features of what NotEqual made."""
    axis, keeps = call.settings.take("axis", None), call.settings.flag("keepdims", False)
    if call.compared is None or keeps or axis not in (-1, len(call.operand.axes) - 1):
        raise call.refuse("is supported as part of a mask only; use a Masking layer")
    x = call.builder.vector(call.operand, call.where)
    call.passes = value_mask(call.builder, x, call.compared)
    return [Value((call.passes,), call.operand.axes[:-1])]


HANDLERS: dict[str, Handler] = {"Any": any_, "Masking": masking, "NotEqual": not_equal}
