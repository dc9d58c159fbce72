"""Help while a network is trained, so that it compiles to less: for PyTorch."""

from rnn2c.compress.sums import bound_sums

__all__ = ["bound_sums"]
