"""Networks with embeddings: as Models, as torch modules, and tokens for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rnn2c.calibration import SequenceSet
from rnn2c.ir import graph
from rnn2c.ir.graph import Input, Model, Output, Tensor
from rnn2c.ir.program import Program
from rnn2c.pipeline import QuantizeOptions, compile_float32, compile_model
from rnn2c.target import load_target

TOKENS, SIZE, UNITS, STEPS = 50, 5, 6, 12
OPTIONS: dict[str, dict[str, str]] = {
    "accurate": {},
    "int4": {"weights": "int4"},
    "int16": {"activations": "int16"},
    "fast": {"profile": "fast"},
    "compact": {"profile": "compact"},
}


class Words(nn.Module):
    """Tokens to a GRU to the next token."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(TOKENS, SIZE, padding_idx=0)
        self.gru = nn.GRU(SIZE, UNITS, batch_first=True)
        self.fc = nn.Linear(UNITS, TOKENS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.gru(self.words(x))[0])


class Mixed(nn.Module):
    """Two embeddings, one of them read twice, beside an input of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Embedding(TOKENS, SIZE)
        self.b = nn.Embedding(7, 3)
        self.again = nn.Embedding(9, 2)
        self.lstm = nn.LSTM(SIZE + 3 + 2 + 2, UNITS, batch_first=True)
        self.fc = nn.Linear(UNITS, 4)

    def forward(self, a: torch.Tensor, b: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([self.a(a) * 0.5, self.b(b), self.again(b), x], -1)
        return self.fc(self.lstm(joined)[0][:, -1])


def words(model: str) -> nn.Module:
    """One of the modules, with weights from a seed."""
    torch.manual_seed(4)
    return {"words": Words, "mixed": Mixed}[model]().eval()


def example(model: str) -> tuple[torch.Tensor, ...]:
    """Arguments of forward, batch 1."""
    random = torch.Generator().manual_seed(1)
    a = torch.randint(0, TOKENS, (1, STEPS), generator=random)
    b = torch.randint(0, 7, (1, STEPS), generator=random)
    x = torch.randn(1, STEPS, 2, generator=random)
    return (a,) if model == "words" else (a, b, x)


def plain_model(tokens: int = TOKENS, columns: int = SIZE) -> Model:
    """The rows themselves as output, beside a Linear of them."""
    rng = np.random.default_rng(2)
    table = Tensor(rng.normal(size=(tokens, columns)))
    linear = Tensor(rng.normal(size=(3, columns)))
    return Model(
        "rows",
        (Input("word", 1, tokens=tokens),),
        (
            graph.Embedding(name="row", inputs=("word",), table=table),
            graph.Linear(name="fc", inputs=("row",), weight=linear, bias=np.zeros(3)),
        ),
        (Output("row", "row"), Output("y", "fc")),
    )


def data(model: Model, count: int = 4, steps: int = 40) -> SequenceSet:
    """Random tokens and numbers for every input of the model."""
    rng = np.random.default_rng(1)

    def array(i: Input) -> np.ndarray:
        if i.tokens:
            return rng.integers(0, i.tokens, (steps, 1)).astype(np.float64)
        return rng.normal(size=(steps, i.size))

    return SequenceSet(tuple({i.name: array(i) for i in model.inputs} for _ in range(count)))


def compiled(model: Model, options: str, target: str = "host") -> Program:
    """A proven Program of one of OPTIONS, or in float32."""
    if options == "float32":
        return compile_float32(model, load_target(target)).program
    chosen = QuantizeOptions(**OPTIONS[options])  # type: ignore[arg-type]
    return compile_model(model, data(model), load_target(target), chosen).program
