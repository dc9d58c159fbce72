"""What counts the instructions of a Program that has been shown to be bit-exact."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from core_models import data

from rnn2c.ir.graph import Model
from rnn2c.ir.program import Program
from rnn2c.pipeline import compile_model, emit
from rnn2c.quantization import QuantizeOptions
from rnn2c.target import load_target
from rnn2c.validate.measure import Measurement, measure
from rnn2c.validate.verify import raw_sequences, verify


def counted(
    source: Model, target: str, steps: int, options: QuantizeOptions | None = None,
    max_steps: int | None = None,
) -> tuple[Measurement, Program]:  # fmt: skip
    """A step, and what comes at the end of `steps` of them, in the emulator of a target."""
    sequences, chosen = data(source, 1, steps), load_target(target)
    program = compile_model(
        source, sequences, chosen, options or QuantizeOptions(), max_steps=max_steps
    ).program
    with TemporaryDirectory() as folder:
        emit(program, Path(folder))
        raw = raw_sequences(program, sequences.sequences)
        assert verify(program, Path(folder), raw).bit_exact
        return measure(Path(folder), program.interface(), chosen, raw[0]), program
