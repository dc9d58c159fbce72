"""from_raw had one shift for all channels, too coarse for those whose counts weigh little, and
limited large offsets to what 32 bits left beside it.
"""

from __future__ import annotations

import numpy as np
import pytest
from fixed import single

from rnn2c.errors import Rnn2cError
from rnn2c.execute import from_raw
from rnn2c.pipeline import QuantizeOptions, RawScale

COUNTS = np.repeat(np.arange(-32768, 32768, 7)[:, None], 5, axis=1)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [((0.5, 1e-3, 3e-4, 1e-5, 1e-4), (0.0,)), ((1e-4,), (65535.0, -65535.0, 40000.0, 0.0, 1.0))],
)
def test_every_channel_is_exact_to_one_step(scale, offset, build):
    raw = RawScale(scale, offset)
    program = build(single("one", "gru", QuantizeOptions(), units=3, raw=raw)).program
    b, form = program.buffer["x"], program.inputs[0].format
    real = (COUNTS - np.broadcast_to(offset, 5)) * np.broadcast_to(scale, 5)
    wanted = np.clip(np.round(real / form.scale) + form.zero_point, b.lo, b.hi)
    assert np.abs(from_raw(program, COUNTS) - wanted).max() <= 1


@pytest.mark.parametrize("scale", [(1e9,), (0.0,)])
def test_a_useless_scale_is_refused(scale, build):
    with pytest.raises(Rnn2cError, match="--input-scale"):
        build(single("one", "gru", QuantizeOptions(), units=3, raw=RawScale(scale, (0.0,))))
