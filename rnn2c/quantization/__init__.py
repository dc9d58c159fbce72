"""Post-training quantization: calibration data and a float Model in, an integer Model out."""

from __future__ import annotations

from dataclasses import replace

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.graph import Model, Numerics
from rnn2c.quantization.cells import cell_formats, with_far_starts
from rnn2c.quantization.embedding import quantize_embedding
from rnn2c.quantization.formats import choose_formats, gate_bits
from rnn2c.quantization.given import given_matrices, own_scales, refuse_coarser
from rnn2c.quantization.joint import with_rounded_inputs
from rnn2c.quantization.notes import coarse_inputs, find_notes, notes_of_narrow_sums
from rnn2c.quantization.observe import observe
from rnn2c.quantization.options import QuantizeOptions
from rnn2c.quantization.ternary import notes_of_ternary_weights, with_ternary_weights
from rnn2c.quantization.weights import quantize_linear, quantize_projection, quantize_recurrent

__all__ = ["QuantizeOptions", "coarse_inputs", "given_matrices", "quantize_model"]


def quantize_model(model: Model, data: SequenceSet, options: QuantizeOptions) -> Model:
    """Observe, choose formats, round the weights.  Activations must be fused into Linear before."""
    refuse_coarser(model, options)
    given = model
    if options.ternary:
        model = with_ternary_weights(model)
    model = with_far_starts(model, data)
    spans = observe(model, data, options.observer, options.percentile)
    formats = choose_formats(model, spans, options)
    rounded, spans = with_rounded_inputs(model, spans, formats, options)
    if len(rounded.layers) > len(model.layers):
        model, formats = rounded, choose_formats(rounded, spans, options)
    split = own_scales(model)
    cells = {
        layer.name: cell_formats(layer, spans, formats)
        for layer in model.layers
        if isinstance(layer, graph.Recurrent) and not layer.plain
    }

    def converted(layer: graph.Layer) -> graph.Layer:
        x, own = formats[layer.inputs[0]], layer.name in split
        match layer:
            case graph.Recurrent():
                inner = cells[layer.name].inner if layer.name in cells else None
                made = quantize_recurrent(layer, x, formats[layer.name], options, own)
                return quantize_projection(made, inner, options)
            case graph.Linear():
                return quantize_linear(layer, x, options, own)
            case graph.Embedding():
                return quantize_embedding(layer, formats[layer.name], options)
        return layer

    layers = tuple(map(converted, model.layers))
    notes = find_notes(model, data, spans, formats, options)
    if options.narrow_sums:
        notes = (*notes, *notes_of_narrow_sums(layers))
    if options.ternary:
        notes = (*notes, *notes_of_ternary_weights(given.layers))
    numerics = Numerics(
        profile=options.profile,
        accumulate=options.sums,
        formats=formats,
        pre_bits=gate_bits(model, spans, options),
        notes=notes,
        split=split,
        cells=cells,
    )
    return replace(model, layers=layers, numerics=numerics)
