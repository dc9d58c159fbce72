"""Which tensors are [batch, features, time]: those that a kernel reads, also through arithmetic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rnn2c.frontend.values import Axis

KERNELS = frozenset(
    """Conv ConvInteger QLinearConv MaxPool AveragePool QLinearAveragePool GlobalAveragePool
    QLinearGlobalAveragePool GlobalMaxPool conv1d convolution max_pool1d avg_pool1d
    adaptive_avg_pool1d adaptive_max_pool1d""".split()
)
ELEMENTWISE = frozenset(
    """Add Sub Mul Div Neg Relu LeakyRelu Tanh Sigmoid Clip Identity Dropout Cast
    BatchNormalization Pad QuantizeLinear DequantizeLinear DynamicQuantizeLinear add sub rsub
    mul div neg relu leaky_relu tanh sigmoid clamp hardtanh dropout to contiguous clone detach
    batch_norm pad constant_pad_nd""".split()
)


def time_last(
    calls: Iterable[tuple[str, Sequence[str], Collection[str]]],
) -> frozenset[str]:
    """calls: operator, the tensors it reads (what it works on first), the tensors it makes."""
    found: set[str] = set()
    for operator, reads, makes in reversed(list(calls)):
        if operator in KERNELS:
            found.update(reads[:1])
        elif operator in ELEMENTWISE and not found.isdisjoint(makes):
            found.update(reads)
    return frozenset(found)


def may_be_time_last(axes: Sequence[Axis]) -> bool:
    """Whether a symbolic last axis can be time: [batch, features, time] with known features."""
    return len(axes) == 3 and (axes[1].size or 0) > (axes[0].size != 1)
