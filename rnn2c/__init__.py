"""rnn2c compiles trained recurrent networks to C for microcontrollers.

    model = rnn2c.load("model.onnx")                      # or a torch.nn.Module, example_input
    integer = rnn2c.quantize(model, "calibration.npz")    # int8 weights and activations
    program = rnn2c.compile(integer, target="cortex-m4")
    program.run({"x": samples})                           # the bit-exact reference
    program.emit("out/")
    rnn2c.verify(program, [{"x": samples}])               # compile, run in the emulator, compare

Importing this package imports neither torch nor onnx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnn2c.errors import Rnn2cError

if TYPE_CHECKING:
    from rnn2c.api import build, compile, load, quantize, verify  # noqa: A004 - the API's name

__version__ = "0.1.0"
__all__ = ["Rnn2cError", "__version__", "build", "compile", "load", "quantize", "verify"]


def __getattr__(name: str) -> Any:
    """Load the API on first use: `import rnn2c` stays quick."""
    if name in __all__:
        from rnn2c import api

        return getattr(api, name)
    raise AttributeError(f"module 'rnn2c' has no attribute {name!r}")
