"""The activity network and how it is trained: GRU -> last step -> Linear, seeded, on the CPU.

Rule: nothing here sees the held-out subjects.  Training runs for a fixed number of epochs and
keeps the average of the last weights, so no epoch is picked by its test accuracy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from dataset import CLASSES, STEPS, Floats, Labels, Recording, Sensor
from numpy.typing import NDArray
from torch import Tensor, nn


class ActivityNet(nn.Module):
    """x [1, T, 6] to logits [1, 7]: the state after the last step decides."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.gru = nn.GRU(6, units, batch_first=True)
        self.fc = nn.Linear(units, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.gru(x)
        logits: Tensor = self.fc(last[0])
        return logits

    def every_step(self, x: Tensor) -> Tensor:
        """Logits after every step [N, T, 7]."""
        states, _ = self.gru(x)
        logits: Tensor = self.fc(states)
        return logits


@dataclass(frozen=True)
class Recipe:
    """Training settings; chosen by cross-validation inside the training subjects (README)."""

    epochs: int = 60
    windows_per_recording: int = 24
    batch: int = 96
    peak_rate: float = 8e-3
    weight_decay: float = 2e-2
    clip_norm: float = 1.0
    label_smoothing: float = 0.05
    supervised_from: int = 75
    average_epochs: int = 10
    rotation: float = 0.1
    gain: float = 0.1
    noise: float = 0.03
    tempo: float = 0.2
    mirror: bool = True


TUNING = Recipe(epochs=15, peak_rate=2e-3, average_epochs=5)
"""Of a network that is trained already."""


# The other arm: the watch's x axis turns round.  An acceleration mirrors as an arrow does, a
# rotation rate with the opposite signs.
MIRROR = np.array([-1.0, 1.0, 1.0, 1.0, -1.0, -1.0], np.float32)


def _rotations(rng: np.random.Generator, n: int, spread: float) -> NDArray[np.float64]:
    """Rotation matrices [n, 3, 3] about random axes, angles normal with `spread` radians."""
    axis = rng.normal(size=(n, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    x, y, z = (axis * rng.normal(0.0, spread, (n, 1))).T
    zero = np.zeros(n)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(n, 3, 3)
    rotations: NDArray[np.float64] = torch.linalg.matrix_exp(torch.from_numpy(skew)).numpy()
    return rotations


def _crop(signal: NDArray[np.float64], rng: np.random.Generator, tempo: float) -> Floats:
    """A random window [150, 6], replayed faster or slower by up to `tempo`; gyroscope to match."""
    speed = rng.uniform(1.0 - tempo, 1.0 + tempo)
    start = rng.uniform(0.0, len(signal) - 1 - speed * (STEPS - 1))
    at = start + speed * np.arange(STEPS)
    low = at.astype(np.int64)
    part = (at - low)[:, None]
    window = signal[low] * (1.0 - part) + signal[np.minimum(low + 1, len(signal) - 1)] * part
    window[:, 3:] *= speed
    return window.astype(np.float32)


def _epoch(
    recordings: Sequence[Recording], sensor: Sensor, recipe: Recipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Fresh augmented windows x [N, 150, 6] and labels [N], shuffled."""
    drawn = rng.permutation(np.repeat(np.arange(len(recordings)), recipe.windows_per_recording))
    signals = [r.counts.astype(np.float64) for r in recordings]
    x = np.stack([_crop(signals[i], rng, recipe.tempo) for i in drawn])
    if recipe.mirror:
        x[rng.random(len(x)) < 0.5] *= MIRROR
    turn = _rotations(rng, len(x), recipe.rotation).astype(np.float32)
    gain = rng.normal(1.0, recipe.gain, (len(x), 1, 2)).astype(np.float32)
    x[..., :3] = np.einsum("ntc,ndc->ntd", x[..., :3], turn) * gain[..., :1]
    x[..., 3:] = np.einsum("ntc,ndc->ntd", x[..., 3:], turn) * gain[..., 1:]
    x = (x - np.asarray(sensor.offset, np.float32)) * np.asarray(sensor.scale, np.float32)
    x += rng.normal(0.0, recipe.noise, x.shape).astype(np.float32)
    return torch.from_numpy(x), torch.tensor([recordings[i].label for i in drawn])


def _batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(x), size):
        yield x[start : start + size], y[start : start + size]


def train(
    recordings: Sequence[Recording],
    sensor: Sensor,
    units: int,
    seed: int,
    recipe: Recipe,
    progress: Callable[[int, float], None] | None = None,
    begun: ActivityNet | None = None,
    after_step: Callable[[ActivityNet], object] = lambda net: None,
) -> ActivityNet:
    """Train on `recordings`, or go on with a network that is `begun`; the same arguments give the
    same weights on the same torch build.  after_step: what each step of the optimizer ends with.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = ActivityNet(units) if begun is None else copy.deepcopy(begun).train()
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay
    )
    steps = -(-len(recordings) * recipe.windows_per_recording // recipe.batch) * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_rate, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    kept: list[dict[str, Tensor]] = []
    for epoch in range(recipe.epochs):
        for x, y in _batches(*_epoch(recordings, sensor, recipe, rng), recipe.batch):
            # The loss counts every step of the second half, so the answer settles early and holds.
            logits = net.every_step(x)[:, recipe.supervised_from :]
            loss = loss_of(logits.flatten(0, 1), y.repeat_interleave(logits.shape[1]))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
            optimizer.step()
            after_step(net)
            schedule.step()
        if epoch >= recipe.epochs - recipe.average_epochs:
            kept.append(copy.deepcopy(net.state_dict()))
        if progress is not None:
            progress(epoch + 1, float(loss.detach()))
    net.load_state_dict({k: torch.stack([s[k] for s in kept]).mean(0) for k in kept[0]})
    return net.eval()


def predict(net: ActivityNet, x: Floats) -> Labels:
    """Class of every window: x [N, 150, 6] to labels [N]."""
    with torch.no_grad():
        labels: Labels = net(torch.from_numpy(x)).argmax(1).numpy()
    return labels
