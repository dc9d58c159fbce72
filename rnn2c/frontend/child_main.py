"""Child process of the front ends: one job, under limits set before anything is imported.

Arguments: the job, bytes of memory, seconds of processor time.  Jobs, from standard input to
standard output:
    onnxruntime, torch  some calls of a model; an .npz with `model` (bytes), `names` (JSON: inputs,
                        outputs, state), `feed0`, ... [calls, ...]; see run_calls; answers an .npz
                        with `out0`, ... [calls, ...]
    shapes              shape inference of onnx; a ModelProto; answers a GraphProto with the types
                        of the outputs
"""

import io
import json
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def main() -> None:
    """One job."""
    memory, seconds = int(sys.argv[2]), int(sys.argv[3])
    limit(resource.RLIMIT_AS, memory)
    limit(resource.RLIMIT_CPU, seconds)
    limit(resource.RLIMIT_FSIZE, 0)
    given = sys.stdin.buffer.read()
    sys.stdout.buffer.write(shapes(given) if sys.argv[1] == "shapes" else run(sys.argv[1], given))


def run(runtime: str, given: bytes) -> bytes:
    """Some calls of one model."""
    import numpy as np

    with np.load(io.BytesIO(given), allow_pickle=False) as data:
        arrays = {key: data[key] for key in data.files}
    inputs, wanted, state = json.loads(arrays["names"].tobytes())
    feeds = {name: arrays[f"feed{k}"] for k, name in enumerate(inputs)}
    run_model = {"onnxruntime": run_onnx, "torch": run_torch}[runtime]
    outputs = run_calls(run_model, arrays["model"].tobytes(), feeds, wanted, state)
    buffer = io.BytesIO()
    np.savez(buffer, **{f"out{k}": np.stack(array) for k, array in enumerate(outputs)})  # type: ignore[arg-type]
    return buffer.getvalue()


def run_calls(
    run_model: Callable[[bytes, dict[str, Any], Sequence[str]], list[Any]],
    model: bytes,
    feeds: Mapping[str, Sequence[Any]],
    wanted: Sequence[str],
    state: Mapping[str, str],
) -> list[list[Any]]:
    """For each tensor of `wanted` its value in every call.

    feeds: what an input gets in each call, or in all; state: input -> the tensor whose value it
    gets from the call before.
    """
    names = list(dict.fromkeys([*wanted, *state.values()]))
    results: list[dict[str, Any]] = []
    for call in range(max(map(len, feeds.values()))):
        now = {name: given[min(call, len(given) - 1)] for name, given in feeds.items()}
        if call:
            now.update((name, results[-1][source]) for name, source in state.items())
        results.append(dict(zip(names, run_model(model, now, names), strict=True)))
    return [[result[name] for result in results] for name in wanted]


def run_onnx(model: bytes, inputs: dict[str, Any], wanted: Sequence[str]) -> list[Any]:
    """The outputs of a serialized ONNX model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(session.run(list(wanted), inputs))


def run_torch(model: bytes, inputs: dict[str, Any], wanted: Sequence[str]) -> list[Any]:
    """Named results of the calls in `model`, which is what pytorch_graph.encoded writes."""
    import torch

    # Copies, for some operators change what they are given.
    values: dict[str, Any] = {name: torch.tensor(array) for name, array in inputs.items()}

    def decoded(given: Any) -> Any:
        if isinstance(given, list):
            return [decoded(item) for item in given]
        if not isinstance(given, dict):
            return given
        return values.get(given["ref"]) if "ref" in given else getattr(torch, given["torch"])

    with torch.no_grad():
        for name, target, arguments in json.loads(model):
            held = {key: decoded(value) for key, value in arguments.items()}
            if target == "getitem":
                values[name] = held["self"][held["index"]]
                continue
            values[name] = _operator(torch, *target.split("."))(**held)
    return [values[name].numpy() for name in wanted]


def _operator(torch: Any, library: str, operator: str, overload: str) -> Any:
    """An operator of aten, or of torch.export's words for quantization."""
    if library == "quantized_decomposed":
        from torch.ao.quantization.fx import _decomposed  # noqa: F401 - registers the operators

        return getattr(getattr(torch.ops.quantized_decomposed, operator), overload)
    return getattr(getattr(torch.ops.aten, operator), overload)


def shapes(given: bytes) -> bytes:
    """The graph's outputs with the types and shapes that onnx infers for them."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(onnx.ModelProto.FromString(given), data_prop=True)
    answer = onnx.GraphProto()
    answer.output.extend(inferred.graph.output)
    return bytes(answer.SerializeToString())


def limit(what: int, most: int) -> None:
    """Lower a limit; a stricter one that this process was started under stays."""
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)
