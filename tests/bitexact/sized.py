"""Cells of sizes 1 to 70 x 1 to 70 beside each other in one model, made from a seed.

The rule: formats and levels take turns with the seed, so any PAIRS seeds in a row have every pair.
"""

from __future__ import annotations

import numpy as np
from drafts import recurrent
from fixed import EXACT_OPTIONS, draft_of, finished
from models import Case

from rnn2c.pipeline import QuantizeOptions
from rnn2c.target import Level, load_target

LARGEST = 70
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 69, 70)
FORMATS = (*EXACT_OPTIONS.values(), QuantizeOptions(weights="int4", accumulate="split"))
LEVELS = load_target("cortex-m4").levels
PAIRS = len(FORMATS) * len(LEVELS)
GAINS = (1.0, 3.0, 12.0, 40.0)
CELLS = ("lstm", "gru")


def level_of(seed: int) -> Level:
    return LEVELS[seed % len(LEVELS)]


def sized(seed: int, cells: int = 3) -> Case:
    """So many cells, each with an input and an output of its own; they saturate at larger gains.

    Of some models all weights are as large as their integers can be.
    """
    rng = np.random.default_rng([70, seed])
    quirk = "signs" if rng.random() < 0.3 else ""
    draft = draft_of(seed, GAINS[rng.integers(len(GAINS))], quirk)
    for k in range(cells):
        inputs, units = (_size(rng) for _ in range(2))
        draft.input(f"x{k}", inputs)
        recurrent(draft, f"cell{k}", CELLS[(seed + k) % len(CELLS)], units)
        draft.show(f"y{k}")
    return finished(draft, f"sized{seed}", FORMATS[seed % len(FORMATS)], None)


def _size(rng: np.random.Generator) -> int:
    """Every other one next to where a kernel changes its shape."""
    return int(rng.choice(EDGES) if rng.random() < 0.5 else rng.integers(1, LARGEST, endpoint=True))
