"""Every attribute of LSTM, GRU and RNN, against onnxruntime, in every stage of the compiler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attribute_matrix import Variant, case, plain, variants
from conform import Outcome, check

VARIANTS = variants()
LEAST, CHUNK = 300, 10
SAMPLE = VARIANTS[::8]
CHANGED = 1e-3


def chunks(chosen: list[Variant]) -> list[list[Variant]]:
    return [chosen[k : k + CHUNK] for k in range(0, len(chosen), CHUNK)]


def difference(variant: Variant) -> float:
    """How far onnxruntime's results are from those of the plain node."""
    got, base = case(variant).outputs, case(plain(variant)).outputs
    return max(float(np.abs(np.ravel(a) - np.ravel(base[n])).max()) for n, a in got.items())


def test_every_attribute_changes_the_result():
    assert len({str(v) for v in VARIANTS}) == len(VARIANTS) >= LEAST
    changed = {str(v) for v in VARIANTS if difference(v) > CHANGED}
    assert changed == {str(v) for v in VARIANTS if not v.same and v.change != "plain"}


def check_all(chosen: list[Variant], folder: Path) -> list[Outcome]:
    outcomes = check([case(v) for v in chosen], folder)
    assert [f for o in outcomes for f in o.failures] == []
    assert [o.refusal for o in outcomes if o.refusal] == []
    return outcomes


@pytest.mark.parametrize("chosen", chunks(SAMPLE), ids=lambda c: str(c[0]))
def test_sampled_variants_agree_with_onnxruntime(chosen, tmp_path):
    for variant, outcome in zip(chosen, check_all(chosen, tmp_path), strict=True):
        # What the integers are allowed does not grow with finer formats, ...
        assert outcome.bounds["int16"] <= outcome.bounds["accurate"]
        # ... and would not excuse them if the attribute were ignored.
        if not variant.same and variant.change != "plain":
            assert outcome.bounds["int16"] < difference(variant)


@pytest.mark.full
@pytest.mark.parametrize("chosen", chunks(VARIANTS), ids=lambda c: str(c[0]))
def test_variants_agree_with_onnxruntime(chosen, tmp_path):
    check_all(chosen, tmp_path)
