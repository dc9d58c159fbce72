"""Child process of the front ends: one job, under limits set before anything is imported.

Arguments: the job, bytes of memory, seconds of processor time.  Jobs, from standard input to
standard output:
    onnxruntime, torch  one run of a model; an .npz with `model` (bytes), `names` (JSON: of the
                        inputs, then of the outputs), `feed0`, ...; answers an .npz with `out0`, ...
    shapes              shape inference of onnx; a ModelProto; answers a GraphProto with the types
                        of the outputs
"""

import io
import json
import resource
import sys
from collections.abc import Sequence
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
    """One run of one model."""
    import numpy as np

    with np.load(io.BytesIO(given), allow_pickle=False) as data:
        arrays = {key: data[key] for key in data.files}
    feeds = [arrays[f"feed{k}"] for k in range(len(arrays) - 2)]
    names = json.loads(arrays["names"].tobytes())
    inputs, wanted = dict(zip(names, feeds, strict=False)), names[len(feeds) :]
    run_model = {"onnxruntime": run_onnx, "torch": run_torch}[runtime]
    outputs = run_model(arrays["model"].tobytes(), inputs, wanted)
    buffer = io.BytesIO()
    np.savez(buffer, **{f"out{k}": array for k, array in enumerate(outputs)})
    return buffer.getvalue()


def run_onnx(model: bytes, inputs: dict[str, Any], wanted: list[str]) -> list[Any]:
    """The outputs of a serialized ONNX model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(session.run(wanted, inputs))


def run_torch(model: bytes, inputs: dict[str, Any], wanted: Sequence[str]) -> list[Any]:
    """Named results of the calls in `model`, which is what pytorch_graph.encoded writes."""
    import torch

    values: dict[str, Any] = {name: torch.from_numpy(array) for name, array in inputs.items()}

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
