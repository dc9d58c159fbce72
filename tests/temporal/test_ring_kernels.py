"""Rings in the form of the kernels that read them: each step of the input is widened once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporal_models import Maker, sequences

from rnn2c.execute import run_integer
from rnn2c.ir.ops import flat
from rnn2c.ir.program import Buffer, Program, Stage
from rnn2c.lower import lower
from rnn2c.pipeline import Compiled, QuantizeOptions, compile_model, verify
from rnn2c.proof import verify_ranges
from rnn2c.tailor import tailor
from rnn2c.target import Level, load_target

TYPES = {"cortex-m4": "i16", "cortex-m3": "i32", "cortex-m0plus": "i32"}
LANES = {"cortex-m4": 4, "cortex-m3": 2, "cortex-m0plus": 2}
LEVELS: tuple[Level, ...] = ("size", "balanced", "speed")


def convolution(core: str, size: int, rows: int, kernel: int, **more: int) -> Compiled:
    """A causal convolution that is shown."""
    m = Maker(3, size)
    m.conv("y", "x", rows, kernel, pads=((kernel - 1) * more.get("dilation", 1), 0), **more)
    model = m.model("y")
    return compile_model(model, sequences(model), load_target(core), QuantizeOptions())


def copies(p: Program) -> list[str]:
    """Titles of the stages that copy a vector for a kernel."""
    return [op.title for op in flat(p.step) if isinstance(op, Stage) and " bits" in op.title]


def ring(p: Program) -> Buffer:
    return next(b for b in p.buffers if b.name.endswith("_ring"))


@pytest.mark.parametrize("core", TYPES)
@pytest.mark.parametrize("size", [8, 6, 10])
def test_rows_that_begin_at_words_are_read_where_they_lie(core: str, size: int) -> None:
    p = convolution(core, size, 8, 3).program
    assert copies(p) == []
    assert (ring(p).type, ring(p).image_type) == (TYPES[core], "i8")
    assert not p.having("scratch")


def test_rows_of_odd_size_are_copied() -> None:
    p = convolution("cortex-m4", 7, 8, 3).program
    assert len(copies(p)) == 3
    assert ring(p).type == "i8"


def test_with_kernels_that_read_vectors_as_they_lie_a_ring_stays_as_it_is() -> None:
    p = convolution("cortex-m55", 8, 8, 3).program
    assert copies(p) == []
    assert ring(p).type == "i8"


@pytest.mark.parametrize("core", TYPES)
@pytest.mark.parametrize("size", range(4, 13))
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_there_is_room_for_what_is_read_of_the_last_row(core: str, size: int, kernel: int) -> None:
    p = convolution(core, size, 8, kernel).program
    taps = [b for b in p.buffers if "_tap" in b.name]
    if ring(p).type == "i8":
        assert core == "cortex-m4"
        assert size % 2 == 1
        return
    assert {b.type for b in taps} == {ring(p).type}
    lanes = LANES[core]
    assert ring(p).room >= (kernel - 1) * size + -(-size // lanes) * lanes


@settings(max_examples=40, deadline=None)
@given(
    core=st.sampled_from(sorted(TYPES)),
    size=st.integers(4, 9),
    kernel=st.integers(2, 5),
    more=st.fixed_dictionaries({"dilation": st.integers(1, 3), "stride": st.integers(1, 3)}),
    level=st.sampled_from(LEVELS),
)
def test_no_bit_changes(
    core: str, size: int, kernel: int, more: dict[str, int], level: Level
) -> None:
    compiled = convolution(core, size, 6, kernel, **more)
    assert compiled.quantized is not None
    plain = lower(compiled.quantized, load_target(core))
    tailored = tailor(plain, level)
    assert plain.interface().saved == tailored.interface().saved
    verify_ranges(tailored)
    x = {"x": np.random.default_rng(0).integers(-128, 128, (2, 3 + kernel * 3, size))}
    wanted, got = run_integer(plain, x), run_integer(tailored, x)
    assert all(np.array_equal(wanted[name], got[name]) for name in wanted)


@pytest.mark.parametrize("core", TYPES)
@pytest.mark.parametrize(("size", "kernel"), [(6, 2), (10, 3), (5, 2)])
def test_the_emitted_c_computes_the_same(core: str, size: int, kernel: int) -> None:
    program = convolution(core, size, 6, kernel, stride=kernel - 1).program
    data = {"x": np.random.default_rng(0).normal(0, 1, (12, size))}
    assert verify(program, [data], stress_steps=12).agrees
