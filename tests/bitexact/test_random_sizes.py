"""Kernels of every kind over sizes of 1 to 70: first in the interpreter, then in the emulators.

A program tailored to kernels computes the plain one, whatever sizes, format and level, on noise and
on the extremes of every input; a sample of them runs as C on every core.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from building import Build
from models import Case
from sized import FORMATS, LARGEST, LEVELS, PAIRS, level_of, sized

from rnn2c.execute import run_integer
from rnn2c.ir.program import Dot, Program, Stage
from rnn2c.lower import lower
from rnn2c.packing.families import FAMILIES, IN_C, OF_KERNELS
from rnn2c.pipeline import prepare, quantize
from rnn2c.proof import verify_ranges
from rnn2c.tailor import tailor
from rnn2c.tailor.sums import Sums
from rnn2c.target import list_targets, load_target
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import stress_sequences, verify

STEPS = 6
COUNT, FULL_COUNT = 30, 1030
CORES = [t.name for t in list_targets() if t.kernels and t.harness == "arm"]
CORES += ["rv32imc", "esp32c3", "rv32imac", "atmega2560"]
KINDS = {t.kernels: t.name for t in reversed(list_targets()) if t.kernels}
"""One core for each kind of kernels."""


@cache
def case(seed: int) -> Case:
    return sized(seed)


def families(p: Program) -> set[str]:
    """The packings of the kernels in a program."""
    stages = [op for op in p.operations() if isinstance(op, Stage)]
    dots = [i for s in stages for i in s.body if isinstance(i, Dot)]
    return {d.kernel.family for d in dots if d.kernel is not None}


@cache
def in_the_interpreter(seed: int) -> set[str]:
    """Compare the programs of all kinds of kernels with the plain one: the packings in use."""
    model, data, options, *_ = case(seed)
    quantized = quantize(prepare(model), data, options)
    used = set()
    for core in KINDS.values():
        plain = lower(quantized, load_target(core))
        tailored = tailor(plain, level_of(seed))
        verify_ranges(tailored)
        sequences = stress_sequences(plain, STEPS, seed)
        inputs = {
            s.name: np.stack([sequence[s.buffer] for sequence in sequences]) for s in plain.inputs
        }
        wanted, got = run_integer(plain, inputs), run_integer(tailored, inputs)
        assert all(np.array_equal(wanted[name], got[name]) for name in wanted), core
        used |= families(tailored)
    return used


@pytest.mark.parametrize("seed", range(COUNT))
def test_tailored_programs_compute_what_the_plain_one_does(seed: int) -> None:
    in_the_interpreter(seed)


@pytest.mark.full
@pytest.mark.parametrize("first", range(COUNT, FULL_COUNT, 10))
def test_thousands_of_tailored_programs(first: int) -> None:
    for seed in range(first, first + 10):
        in_the_interpreter(seed)


def test_the_sample_needs_the_kernels_of_all_packings() -> None:
    """But for those of zeros in numbers, which random weights do not have, of linear layers, of
    sums that fit 16 bits, and of level unrolled.
    """
    families = {f for names in OF_KERNELS.values() for f in names if not FAMILIES[f].immediate}
    families -= {"bytes8_16", "codes8_16"}
    narrow = {f for f in families if f.startswith("rows16_of_") or f.endswith("_two")}
    narrow |= IN_C.keys() - {"rows4_of_2"}
    dense = {f for f in families - narrow if not f.startswith(("blocks", "columns", "delta"))}
    assert set().union(*map(in_the_interpreter, range(COUNT))) - narrow == dense


def on_a_core(core: str, seed: int, build: Build, optimize: str) -> None:
    chip, chosen = load_target(core), case(seed)
    if chip.harness == "avr":
        chosen = sized(seed, cells=1)
    else:
        chip = replace(chip, limits=None)  # as the emulated machine is
    made = build(chosen, chip, level=level_of(seed))
    options = BuildOptions(optimize=optimize)
    report = verify(made.program, made.folder, made.sequences(4), build=options, checks=False)
    assert report.bit_exact, report.to_json()


@pytest.mark.parametrize(("number", "core"), list(enumerate(CORES)), ids=str)
def test_a_sample_on_every_core(number: int, core: str, build: Build) -> None:
    """Two models of three cells each, of one on AVR, the first in int8; other sizes and levels on
    each core.
    """
    for seed in (10 * number, 11 * number + 1):
        on_a_core(core, seed, build, "-O2")


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 100 + PAIRS))
@pytest.mark.parametrize("core", CORES)
def test_every_format_and_level_on_every_core(core: str, seed: int, build: Build) -> None:
    on_a_core(core, seed, build, "-O3" if seed % 2 else "-Os")


def test_the_sample_has_all_formats_and_levels_and_the_ends_of_the_span() -> None:
    assert {(s % len(FORMATS), level_of(s)) for s in range(100, 100 + PAIRS)} == {
        (f, level) for f in range(len(FORMATS)) for level in LEVELS
    }
    sizes = [
        n
        for s in range(40)
        for layer in case(s).model.layers
        for n in (layer.units, layer.w_ih.shape[1])
    ]
    assert (min(sizes), max(sizes)) == (1, LARGEST)
    assert len(set(sizes)) > 45


def test_a_wrong_multiplier_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Sums._word
    monkeypatch.setattr(Sums, "_word", lambda *arguments: right(*arguments) + 2**16)
    with pytest.raises(AssertionError, match="cortex-m"):
        in_the_interpreter.__wrapped__(0)
