"""Fronts, recurrent stacks and heads through torch.export and both ONNX exporters equal torch."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from conform import Case, check
from exported_networks import CHOICES, WAYS, Network, covering, imported, pairs
from torch_models import assert_same, inputs_of

COUNT, SAMPLED = 150, 18
NETWORKS = covering(COUNT)
MATRIX = list(product(NETWORKS, WAYS))
SAMPLE = [(n, w) for n, w in product(NETWORKS[:SAMPLED], WAYS) if w != "dynamo"]
SAMPLE += [(n, "dynamo") for n in NETWORKS[:SAMPLED:3]]  # this exporter takes a second
WRITTEN_OUT = (
    "RNN_TANH-2-bi-btf-state-nobias-conv_strided-hn-1x8",  # as many states as steps
    "RNN_RELU-1-bi-btf-state-conv_valid-hn-3x4",  # no loop has all its steps read
)
SAMPLE += [(n, "dynamo") for n in NETWORKS if str(n) in WRITTEN_OUT]
REST = [m for m in MATRIX if m not in SAMPLE]


def test_the_matrix_has_every_pair_of_choices() -> None:
    assert len(MATRIX) >= 400
    covered = set().union(*(pairs(n) for n, _ in MATRIX))
    named = [[(name, value) for value in values] for name, values in CHOICES.items()]
    wanted = {pair for a, b in combinations(named, 2) for pair in product(a, b)}
    assert covered == wanted


@pytest.mark.parametrize(("network", "way"), SAMPLE, ids=str)
def test_sampled_networks_import_as_torch_computes_them(network, way, tmp_path):
    assert_same(*imported(network, way, tmp_path))


@pytest.mark.full
@pytest.mark.parametrize(("network", "way"), REST, ids=str)
def test_networks_import_as_torch_computes_them(network, way, tmp_path):
    assert_same(*imported(network, way, tmp_path))


def staged(networks: list[Network], folder) -> None:
    """The networks in every stage of the compiler."""
    cases = []
    for network in networks:
        model, _, arguments = imported(network, "module", folder)
        cases.append(Case(str(network), model, inputs_of(model, arguments), {}))
    outcomes = check(cases, folder)
    assert [o.refusal for o in outcomes if o.refusal] == []
    assert [f for o in outcomes for f in o.failures] == []


@pytest.mark.parametrize("first", range(0, 10, 5))
def test_sampled_networks_compute_the_same_in_every_stage(first, tmp_path):
    staged(NETWORKS[first : first + 5], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, COUNT, 5))
def test_networks_compute_the_same_in_every_stage(first, tmp_path):
    staged(NETWORKS[first : first + 5], tmp_path)
