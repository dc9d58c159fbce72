"""int4 weights with a single column need no function for the high half of a byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_models import cell_model, integer

from rnn2c.lower import lower
from rnn2c.pipeline import emit
from rnn2c.target import load_target
from rnn2c.validate.toolchain import BuildOptions
from rnn2c.validate.verify import stress_sequences, verify


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_one_input_and_one_unit_compile_without_warnings(compiler: str, tmp_path: Path):
    program = lower(integer(cell_model("rnn", 1, 1), weights="int4"), load_target("host"))
    emit(program, tmp_path)
    assert "_high4" not in (tmp_path / f"{program.name}.c").read_text()
    build = BuildOptions(compiler, "-O2")
    assert verify(program, tmp_path, stress_sequences(program, 6), build=build).bit_exact
