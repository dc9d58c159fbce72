"""Compile emitted C for a target, run it in its emulator, compare and measure."""
