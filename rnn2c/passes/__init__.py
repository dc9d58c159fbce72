"""Passes over the Model.  Each takes a valid Model and returns a valid one."""

from rnn2c.ir.recover_cells import recover_cells
from rnn2c.passes.fold_affine import fold_affine
from rnn2c.passes.fuse_activation import fuse_activation
from rnn2c.passes.sink_flips import sink_flips
from rnn2c.passes.sink_last_step import sink_last_step
from rnn2c.passes.spread_channels import spread_channels

__all__ = [
    "fold_affine",
    "fuse_activation",
    "recover_cells",
    "sink_flips",
    "sink_last_step",
    "spread_channels",
]
