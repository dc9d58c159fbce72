"""A loop of two steps, of which only the last is used: neither step is in the middle."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from rnn2c.errors import UnsupportedError
from rnn2c.frontend import load

CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


class TwoLayers(nn.Module):
    """One loop per layer; h (and c) hold the states of both."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.second = CELLS[kind](3, 4), CELLS[kind](4, 4)
        self.fc = nn.Linear(4, 2)

    def forward(self, x, *states):
        y, ends = x.unbind(1), []
        for k, cell in enumerate((self.first, self.second)):
            state, out = [s[k] for s in states], []
            for row in y:
                new = cell(row, tuple(state) if len(state) == 2 else state[0])
                state = list(new) if len(state) == 2 else [new]
                out.append(state[0])
            y = out
            ends.append(state)
        return self.fc(y[-1]), *map(torch.stack, zip(*ends, strict=True))


@pytest.mark.parametrize("kind", CELLS)
def test_it_becomes_the_cell_that_it_is(kind: str) -> None:
    module, x = TwoLayers(kind).eval(), torch.randn(1, 2, 3)
    states = [torch.randn(2, 1, 4) for _ in range(2 if kind == "lstm" else 1)]
    model = load(module, (x, *states))
    assert model.cross_check.startswith("agrees with torch ")
    assert [p.name for p in model.layers if "w_hh" in vars(p)] == ["first", "second"]
    starts = [i.name for i in model.inputs if i.rate == "sequence"]
    given = dict(zip(starts, chain(*(s[:, 0].numpy() for s in states)), strict=True))
    got = model.run({"x": x[0].numpy(), **given}).values()
    with torch.no_grad():
        wanted = [t.numpy().ravel() for t in module(x, *states)]
    np.testing.assert_allclose(
        np.concatenate([v.ravel() for v in got]), np.concatenate(wanted), atol=1e-5
    )


class WrittenOut(nn.Module):
    """A cell of one's own from a state of zeros: an exporter folds h out of the first step."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, out = torch.zeros(x.shape[0], 4), []
        for row in x.unbind(1):
            h = torch.tanh(self.a(row) + self.b(h))
            out.append(h)
        return torch.stack(out, 1)


def test_two_steps_of_which_the_first_lacks_the_state_are_refused_with_a_way_out() -> None:
    with pytest.raises(UnsupportedError, match=r"over two steps .* export three or more"):
        load(WrittenOut().eval(), torch.randn(1, 2, 3), name="two")
    three = load(WrittenOut().eval(), torch.randn(1, 3, 3), name="three")
    assert [type(layer).__name__ for layer in three.layers] == ["Rnn"]
