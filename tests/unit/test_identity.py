"""The model id: the same for other names, another for every other number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from core_models import CELLS, changed, classifier, integer, program

from rnn2c.ir import graph
from rnn2c.ir.graph import Format, Input, Model, Output, Tensor
from rnn2c.ir.program import Program
from rnn2c.lower import RawScale, lower
from rnn2c.target import load_target

HOST = load_target("host")
MADE = integer(classifier("lstm"))
RAW = RawScale((0.01,), (3.0,))


def id_of(m: Model, raw: RawScale | None = RAW) -> int:
    return lower(m, HOST, raw).model_id


def renamed(m: Model, new: dict[str, str]) -> Model:
    """Every value, input, output and the model itself under another name."""

    def name(old: str) -> str:
        first, dot, rest = old.partition(".")
        return new.get(first, first) + dot + rest

    numerics = dataclasses.replace(
        m.numerics,
        formats={name(n): f for n, f in m.numerics.formats.items()},
        pre_bits={name(n): b for n, b in m.numerics.pre_bits.items()},
    )
    return Model(
        name=new.get("net", "net"),
        inputs=tuple(Input(name(i.name), i.size, i.rate) for i in m.inputs),
        layers=tuple(
            changed(p, name=name(p.name), inputs=tuple(map(name, p.inputs))) for p in m.layers
        ),
        outputs=tuple(Output(new.get(o.name, o.name), name(o.value)) for o in m.outputs),
        numerics=numerics,
    )


@pytest.mark.parametrize(
    "new",
    [
        {"net": "another"},
        {"x": "accelerometer"},
        {"rnn": "encoder/cell 1"},
        {"probability": "y", "label": "h"},
        {"probability": "q", "label": "i_sum", "x": "sum"},
        {"x": "clamp", "rnn": "lut", "fc": "requantize", "probability": "sat8"},
        {"x": "raw_shift", "fc": "raw", "rnn": "sigmoid"},
        {"x": "int", "rnn": "*/", "last": "??/", "fc": "", "soft": "名前", "best": "\\"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", CELLS)
def test_renaming_keeps_the_id(kind: str, new: dict[str, str]):
    made = integer(classifier(kind))
    assert id_of(renamed(made, new)) == id_of(made)


def altered_layers() -> dict[str, Model]:
    """MADE with one number changed, by what it is."""
    lstm, fc = MADE.layers[0], MADE.layers[2]

    def bumped(tensor: Tensor, row: int, column: int) -> Tensor:
        data = tensor.data.copy()
        data[row, column] -= 1 if data[row, column] > 0 else -1
        return dataclasses.replace(tensor, data=data)

    def other(layer: graph.Layer, **fields: object) -> Model:
        new = changed(layer, **fields)
        return MADE.with_layers(tuple(new if p is layer else p for p in MADE.layers))

    bias = lstm.b_ih.copy()
    bias[7] += 0.01
    cases = {f"w_ih[{r}, {c}]": other(lstm, w_ih=bumped(lstm.w_ih, r, c))
             for r in (0, 9, 19) for c in (0, 2)}  # fmt: skip
    cases["w_hh"] = other(lstm, w_hh=bumped(lstm.w_hh, 13, 4))
    cases["bias"] = other(lstm, b_ih=bias)
    cases["fc weight"] = other(fc, weight=bumped(fc.weight, 3, 1))
    scale = fc.weight.scale.copy()
    scale[2] *= 1.01
    cases["fc scale"] = other(fc, weight=dataclasses.replace(fc.weight, scale=scale))
    for value in ("x", "rnn.c", "fc"):
        formats = dict(MADE.numerics.formats)
        form = formats[value]
        formats[value] = dataclasses.replace(form, scale=form.scale * 2)
        numerics = dataclasses.replace(MADE.numerics, formats=formats)
        if value == "x":
            continue  # a joint sum ties the scale of x to the weights
        cases[f"format of {value}"] = dataclasses.replace(MADE, numerics=numerics)
    return cases


ALTERED = altered_layers()


def test_any_other_number_gives_another_id():
    ids = {name: id_of(m) for name, m in ALTERED.items()}
    assert id_of(MADE) not in ids.values()
    assert len(set(ids.values())) == len(ids)


@pytest.mark.parametrize("raw", [None, RawScale((0.02,), (3.0,)), RawScale((0.01,), (2.0,))])
def test_another_raw_scale_gives_another_id(raw: RawScale | None):
    assert id_of(MADE, raw) != id_of(MADE)


@pytest.mark.parametrize("options", [{"weights": "int4"}, {"accumulate": "split"}], ids=str)
def test_other_numerics_give_another_id(options: dict[str, str]):
    assert program(classifier("lstm"), **options).model_id != program(classifier("lstm")).model_id


def test_the_scale_of_the_input_alone_changes_the_id():
    p = lower(MADE, HOST)

    def with_scale(scale: float) -> Program:
        (x,) = p.inputs
        form = Format(scale, x.format.bits, 0, x.format.lo, x.format.hi)
        return dataclasses.replace(p, inputs=(dataclasses.replace(x, format=form),))

    assert with_scale(0.5).model_id != with_scale(0.25).model_id


def test_the_id_is_the_same_in_every_run():
    """A figure that only a change of the numerics may move."""
    assert program(classifier("lstm")).model_id == program(classifier("lstm")).model_id
    assert 0 <= program(classifier("gru")).model_id < 2**32


def test_constants_that_differ_in_one_element_differ():
    p = lower(MADE, HOST)
    for k, const in enumerate(p.consts):
        data = const.data.copy()
        data[-1] ^= 1
        consts = list(p.consts)
        consts[k] = dataclasses.replace(const, data=data)
        assert dataclasses.replace(p, consts=tuple(consts)).model_id != p.model_id
        assert not np.array_equal(data, const.data)
