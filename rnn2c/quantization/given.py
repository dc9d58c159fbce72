"""What a quantized source gives and the quantizer keeps: integer weights, formats of values."""

from __future__ import annotations

from rnn2c.errors import UnsupportedError
from rnn2c.ir import graph
from rnn2c.ir.graph import Format, Model, Tensor
from rnn2c.quantization.options import QuantizeOptions


def given_matrices(layer: graph.Layer) -> dict[str, Tensor]:
    """The matrices of a layer that came as integers, by field name."""
    found = {n: t for n, t in vars(layer).items() if isinstance(t, Tensor)}
    return {n: t for n, t in found.items() if t.scale is not None}


def refuse_coarser(model: Model, options: QuantizeOptions) -> None:
    """Raise UnsupportedError where an option asks for fewer bits than given integers have."""
    for layer in model.layers:
        for name, tensor in given_matrices(layer).items():
            again = options.ternary and isinstance(layer, graph.Recurrent)
            if again or tensor.bits > options.weight_bits:
                raise UnsupportedError(
                    f"layer '{layer.name}': {name} came as int{tensor.bits} and is kept as it is;"
                    f" weights {options.weights} would quantize it again, use weights"
                    f" int{tensor.bits}, or give the float32 model"
                )


def sums_apart(layer: graph.Layer) -> bool:
    """Whether x and h need no common scale, because of the layer itself."""
    return bool(given_matrices(layer)) or (isinstance(layer, graph.Recurrent) and not layer.plain)


def given_format(model: Model, name: str) -> Format | None:
    """The format of a value that is read only as this: then it need not be rounded twice."""
    readers = [layer for layer in model.layers if name in layer.inputs]
    forms = {r.form for r in readers if isinstance(r, graph.Rounded)}
    alone = all(isinstance(r, graph.Rounded) for r in readers) and len(forms) == 1
    shown = any(o.value == name for o in model.outputs)
    return forms.pop() if alone and not shown else None


def own_scales(model: Model) -> frozenset[str]:
    """Layers whose sums keep scales of their own: weights, input or output came quantized, or the
    cell is not plain.
    """
    rounded = {
        layer.name
        for layer in model.layers
        if isinstance(layer, graph.Rounded)
        or (isinstance(layer, graph.Embedding) and given_matrices(layer))
    }
    return frozenset(
        layer.name
        for layer in model.layers
        if sums_apart(layer)
        or (isinstance(layer, graph.Recurrent) and layer.inputs[0] in rounded)
        or (isinstance(layer, graph.Linear) and given_format(model, layer.name))
    )
