"""Passes over the Model.  Each takes a valid Model and returns a valid one."""

from rnn2c.passes.fuse_activation import fuse_activation
from rnn2c.passes.sink_last_step import sink_last_step

__all__ = ["fuse_activation", "sink_last_step"]
