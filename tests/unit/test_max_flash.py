"""max_flash: the fastest level that fits, a note about the others, an error if none does."""

from __future__ import annotations

import pytest
from core_models import cell_model, integer

from rnn2c.budget import budget
from rnn2c.errors import Rnn2cError, TooLargeError
from rnn2c.pipeline import lower_model
from rnn2c.target import load_target

CORE = load_target("cortex-m4")
LEVELS = CORE.levels
MODEL = integer(cell_model("lstm", units=48, inputs=9))
FLASH = {level: budget(lower_model(MODEL, CORE, level=level)).flash for level in LEVELS}


def test_faster_levels_take_more():
    assert FLASH["size"] < FLASH["balanced"] < FLASH["speed"]


@pytest.mark.parametrize("level", LEVELS)
def test_what_just_fits_is_taken(level: str):
    made = lower_model(MODEL, CORE, level="speed", max_flash=FLASH[level])
    assert made.level == level
    passed = [f"level {name} needs up to {FLASH[name]} bytes of flash, more than the"
              f" {FLASH[level]} allowed" for name in ("speed", "balanced", "size")]  # fmt: skip
    assert list(made.notes) == passed[: LEVELS[::-1].index(level)]


def test_the_level_is_never_above_the_one_asked_for():
    assert lower_model(MODEL, CORE, level="size", max_flash=10**6).level == "size"


def test_the_bits_are_those_of_every_level():
    ids = {lower_model(MODEL, CORE, level="speed", max_flash=FLASH[n]).model_id for n in LEVELS}
    assert len(ids) == 1


def test_nothing_that_fits_is_an_error_with_what_each_level_needs():
    with pytest.raises(TooLargeError, match=r"level speed needs.*level size needs.*too little"):
        lower_model(MODEL, CORE, level="speed", max_flash=FLASH["size"] - 1)
    with pytest.raises(Rnn2cError, match="max_flash 0"):
        lower_model(MODEL, CORE, max_flash=0)
