"""The aten operators that compute, and the ones that do nothing at inference."""

from __future__ import annotations

import numpy as np

from rnn2c.frontend.embedding import embedding
from rnn2c.frontend.given import Given
from rnn2c.frontend.normalize import layer_norm
from rnn2c.frontend.pytorch_call import Call, Handler, Result
from rnn2c.frontend.values import Operand, Value


def getitem(call: Call) -> Result:
    """One result of an operator with several."""
    call.skip("self")
    items = call.arguments["self"]
    index = int(call.get("index"))
    result: Operand = items[index]
    return result


def linear(call: Call) -> Result:
    """aten.linear."""
    bias = None if call.get("bias") is None else call.weight("bias")
    return call.builder.linear(
        call.path, call.vector("input"), call.matrix("weight"), bias, call.where
    )


def look_up(call: Call) -> Result:
    """nn.Embedding; the padding row and gradients matter in training only."""
    call.skip("padding_idx", "scale_grad_by_freq", "sparse")
    found = call.get("weight")
    table = found if isinstance(found, Given) else call.weight("weight")
    return embedding(call.builder, call.path, table, call.value("indices"), call.where)


def renormalize(call: Call) -> Result:
    """nn.Embedding with max_norm."""
    raise call.refuse(
        "max_norm changes the table while it is read; scale its rows once and set max_norm=None"
    )


def addmm(call: Call) -> Result:
    """beta self + alpha mat1 mat2, with mat1 computed."""
    bias = call.weight("self") * float(call.get("beta", 1))
    weight = call.weight("mat2").T * float(call.get("alpha", 1))
    return call.builder.linear(call.path, call.vector("mat1"), weight, bias, call.where)


def matmul(call: Call) -> Result:
    """Computed data times a constant matrix."""
    right = "mat2" if "mat2" in call.arguments else "other"
    weight = call.weight(right)
    if weight.ndim != 2:
        raise call.refuse(f"the weight has {weight.ndim} dimensions, expected 2")
    return call.builder.linear(call.path, call.vector("self"), weight.T, None, call.where)


def softmax(call: Call) -> Result:
    """Softmax over the features."""
    call.skip("dtype", "half_to_float")
    return call.builder.softmax(call.path, call.value(), int(call.get("dim")), call.where)


def log_softmax(call: Call) -> Result:
    """The logarithm of a softmax over the features."""
    call.skip("dtype", "half_to_float")
    axis = int(call.get("dim"))
    return call.builder.softmax(call.path, call.value(), axis, call.where, log=True)


def normalize(call: Call) -> Result:
    """layer_norm, over the last axis only."""
    call.skip("cudnn_enable")
    return _normalized(call, 1e-5, centred=True)


def normalize_rms(call: Call) -> Result:
    """rms_norm, over the last axis only."""
    return _normalized(call, float(np.finfo(np.float32).eps), centred=False)


def _normalized(call: Call, default: float, *, centred: bool) -> Result:
    shape = call.get("normalized_shape")
    if len(shape) != 1:
        raise call.refuse(f"normalizes {len(shape)} dimensions; only the last one is supported")
    gain, bias = (None if call.get(n) is None else call.weight(n) for n in ("weight", "bias"))
    given, x = call.get("eps"), call.value("input")
    epsilon = default if given is None else float(given)
    return layer_norm(
        call.builder, call.path, x, -1, epsilon, call.where, gain, bias, centred=centred
    )


def argmax(call: Call) -> Result:
    """Index of the largest feature, the first one on ties."""
    value = call.value()
    axis = call.get("dim")
    if axis is None:
        raise call.refuse("argmax over the whole tensor; give dim=-1")
    keepdims = bool(call.get("keepdim", False))
    return call.builder.argmax(call.path, value, int(axis), keepdims, call.where)


def identity(call: Call) -> Result:
    """The same tensor."""
    call.skip("memory_format")
    found: Operand = call.get("self")
    return found


def same_type(call: Call) -> Result:
    """type_as another floating-point tensor."""
    found, other = call.value(), call.get("other")
    if isinstance(other, Value) and call.builder.is_float(other) != call.builder.is_float(found):
        raise call.refuse("converts the data to another type; keep it float32, tokens integers")
    return found


def dropout(call: Call) -> Result:
    """Nothing at inference; one that stays on in eval mode is refused."""
    call.skip("p")
    if call.get("train"):
        raise call.refuse("dropout is on in eval mode; pass training=self.training")
    found: Operand = call.get("input")
    return found


def nothing(call: Call) -> Result:
    """An assertion about types that torch.export adds beside conversions."""
    call.skip(*call.arguments)
    return None


def to_type(call: Call) -> Result:
    """aten.to: the data must stay floating point; class indices may become integers."""
    found = call.value()
    call.skip("non_blocking", "copy", "memory_format", "device", "layout", "pin_memory")
    dtype = str(call.get("dtype"))
    if dtype not in ("None", "torch.float32") and call.builder.is_float(found):
        raise call.refuse(f"converts the data to {dtype}; keep it float32, tokens integers")
    return found


OPERATORS: dict[str, Handler] = {
    "_assert_tensor_metadata": nothing,
    "_softmax": softmax,
    "addmm": addmm,
    "alias": identity,
    "argmax": argmax,
    "clone": identity,
    "contiguous": identity,
    "detach": identity,
    "detach_": identity,
    "alpha_dropout": dropout,
    "dropout": dropout,
    "feature_alpha_dropout": dropout,
    "feature_dropout": dropout,
    "type_as": same_type,
    "embedding": look_up,
    "embedding_renorm_": renormalize,
    "getitem": getitem,
    "lift_fresh_copy": identity,
    "layer_norm": normalize,
    "linear": linear,
    "log_softmax": log_softmax,
    "_log_softmax": log_softmax,
    "rms_norm": normalize_rms,
    "matmul": matmul,
    "mm": matmul,
    "softmax": softmax,
    "to": to_type,
}
