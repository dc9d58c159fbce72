"""Networks of the tests of .pt2 files: one recurrent layer stack and what people put after it."""

from __future__ import annotations

import torch
from torch import nn

HEADS = ("all", "last", "deep", "normed", "scaled", "dictionary")


class Heads(nn.Module):
    def __init__(self, rnn: nn.Module, head: str, batch_first: bool) -> None:
        super().__init__()
        self.rnn, self.head, self.batch_first = rnn, head, batch_first
        units = rnn.hidden_size * (2 if rnn.bidirectional else 1)
        self.fc = nn.Linear(units, 2)
        if head == "deep":
            self.body = nn.Sequential(nn.Linear(units, 5), nn.GELU(), nn.Dropout(0.3))
            self.fc = nn.Linear(5, 2, bias=False)
        if head == "normed":
            self.norm = nn.BatchNorm1d(units)
            self.norm.running_mean.uniform_(-1, 1)
        if head == "scaled":
            self.register_buffer("mean", torch.tensor([0.5, -0.25, 0.125]))

    def forward(self, x):
        if self.head == "scaled":
            x = (x - self.mean) / torch.tensor([2.0, 1.0, 0.5])
        y, state = self.rnn(x)
        if self.head == "all":
            return self.fc(y)
        if self.head == "deep":
            return torch.softmax(self.fc(self.body(y)), -1)
        last = y[:, -1] if self.batch_first else y[-1]
        if self.head == "normed":
            return self.fc(self.norm(last)).sigmoid()
        if self.head == "dictionary":
            hidden = state[0] if isinstance(state, tuple) else state
            return {"scores": self.fc(last), "hidden": hidden}
        return self.fc(last).clamp(-0.9, 0.9)
