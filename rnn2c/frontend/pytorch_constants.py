"""What an exported file computes of its own parameters, computed here in numpy: weight norms,
spectral norms, orthogonal and own parametrizations, masks of pruning.

A module in memory needs none of this: torch itself computes its constants (pytorch_fold.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rnn2c.errors import UnsupportedError
from rnn2c.frontend.builder import Builder
from rnn2c.frontend.values import Constant

MOST_ROWS = 1024
"""Of matrices whose exponential or inverse is computed."""
Arguments = Mapping[str, Any]


def _axes(dims: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if dims is None or isinstance(dims, int):
        return None if dims is None else (dims,)
    return tuple(dims) or None


def _norm(a: Arguments) -> Constant:
    order = a.get("ord", a.get("p"))
    if order not in (None, 2):
        raise ValueError("a norm of another order than 2")
    dims, keep = _axes(a.get("dim")), bool(a.get("keepdim"))
    found: Constant = np.sqrt(np.sum(np.square(a["self"]), axis=dims, keepdims=keep))
    return found


def _weight_norm(a: Arguments) -> Constant:
    """g v / |v|, the norm over all dimensions but one."""
    v, kept = a["v"], int(a.get("dim", 0))
    others = tuple(k for k in range(v.ndim) if kept == -1 or k != kept % v.ndim)
    found: Constant = v * (a["g"] / np.sqrt(np.sum(np.square(v), axis=others, keepdims=True)))
    return found


def _exponential(a: Arguments) -> Constant:
    """By scaling and squaring, the series in between."""
    matrix = _square(a["self"])
    halvings = max(0, math.ceil(math.log2(max(float(np.abs(matrix).sum(axis=0).max()), 1.0))) + 1)
    small = matrix / 2.0**halvings
    term = total = np.eye(len(matrix))
    for k in range(1, 20):
        term = term @ small / k
        total = total + term
    for _ in range(min(halvings, 64)):
        total = total @ total
    return total


def _square(matrix: Constant) -> Constant:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) > MOST_ROWS:
        raise ValueError("no square matrix, or a large one")
    return matrix


def _clamp(a: Arguments) -> Constant:
    low, high = a.get("min"), a.get("max")
    found: Constant = np.clip(
        a["self"], -np.inf if low is None else low, np.inf if high is None else high
    )
    return found


def _sum(a: Arguments) -> Constant:
    found: Constant = np.sum(a["self"], axis=_axes(a.get("dim")), keepdims=bool(a.get("keepdim")))
    return found


def _product(a: Arguments) -> Constant:
    left, right = (a[k] for k in a if isinstance(a[k], np.ndarray))
    if max(left.ndim, right.ndim) > 2:
        raise ValueError("a product of more than two dimensions")
    found: Constant = left @ right
    return found


def _softplus(a: Arguments) -> Constant:
    beta = float(a.get("beta", 1))
    found: Constant = np.logaddexp(0.0, beta * a["self"]) / beta
    return found


def _of(function: Callable[..., Any]) -> Callable[[Arguments], Constant]:
    return lambda a: np.asarray(function(a["self"]))


def _of_two(function: Callable[..., Any], scaled: bool = False) -> Callable[[Arguments], Constant]:
    """scaled: whether the second one is multiplied by alpha."""

    def call(a: Arguments) -> Constant:
        factor = a.get("alpha", 1) if scaled else 1
        return np.asarray(function(a["self"], np.asarray(a["other"]) * factor))

    return call


def _flat(a: Arguments) -> Constant:
    array = a["self"]
    first, last = (int(a.get(k, d)) % array.ndim for k, d in (("start_dim", 0), ("end_dim", -1)))
    return np.reshape(array, (*array.shape[:first], -1, *array.shape[last + 1 :]))


FOLDED: dict[str, Callable[[Arguments], Constant]] = {
    "_weight_norm": _weight_norm,
    "abs": _of(np.abs),
    "add": _of_two(np.add, scaled=True),
    "clamp": _clamp,
    "clamp_min": _clamp,
    "div": _of_two(np.divide),
    "exp": _of(np.exp),
    "eye": lambda a: np.eye(min(int(a["n"]), MOST_ROWS)),
    "flatten": _flat,
    "linalg_solve": lambda a: np.linalg.solve(_square(a["A"]), a["B"]),
    "linalg_vector_norm": _norm,
    "log": _of(np.log),
    "mH": _of(lambda m: np.swapaxes(m, -1, -2)),
    "mT": _of(lambda m: np.swapaxes(m, -1, -2)),
    "matmul": _product,
    "matrix_exp": _exponential,
    "mm": _product,
    "mul": _of_two(np.multiply),
    "mv": _product,
    "neg": _of(np.negative),
    "norm": _norm,
    "pow": lambda a: np.power(a["self"], a["exponent"]),
    "relu": _of(lambda x: np.maximum(x, 0)),
    "rsqrt": _of(lambda x: 1 / np.sqrt(x)),
    "sigmoid": _of(lambda x: 0.5 * (1 + np.tanh(0.5 * x))),
    "softplus": _softplus,
    "sqrt": _of(np.sqrt),
    "sub": _of_two(np.subtract, scaled=True),
    "sum": _sum,
    "tanh": _of(np.tanh),
    "to": _of(np.asarray),
    "tril": lambda a: np.tril(a["self"], int(a.get("diagonal", 0))),
    "triu": lambda a: np.triu(a["self"], int(a.get("diagonal", 0))),
    "vdot": _product,
}
"""By the operator's name; arguments by torch's names, tensors in float64."""


def folded(builder: Builder, operator: str, arguments: Arguments, where: str) -> Constant | None:
    """The result of an operator on constants alone, None where it is none of these.

    Raises UnsupportedError over the budget and for a result that is not finite.
    """
    function = FOLDED.get(operator)
    arrays = [v for v in arguments.values() if isinstance(v, np.ndarray)]
    plain = (np.ndarray, bool, int, float, str, list, type(None))
    if function is None or (not arrays and operator != "eye"):
        return None
    if not all(isinstance(v, plain) for v in arguments.values()):
        return None
    if operator == "to":
        if str(arguments.get("dtype")) not in ("None", "torch.float32"):
            return None
    elif not all(np.issubdtype(a.dtype, np.floating) for a in arrays):
        return None
    builder.fold(_most(arrays), where)
    real = {
        k: v.astype(np.float64) if isinstance(v, np.ndarray) else v for k, v in arguments.items()
    }
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(function(real), np.float32)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise UnsupportedError(
            f"{where}: cannot compute this of parameters ({error}); compute it before the export,"
            " torch.nn.utils.parametrize.remove_parametrizations does"
        ) from None
    if not np.all(np.isfinite(made)):
        raise UnsupportedError(f"{where}: makes a constant that is not finite")
    return made


def _most(arrays: Sequence[Constant]) -> int:
    """A bound on the elements of the result."""
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:  # a product of matrices
        shape = tuple(a.shape[k % a.ndim] for k, a in zip((0, -1), arrays, strict=False) if a.ndim)
    return math.prod(shape)
