"""Child process of the ONNX front end: one job, under limits set before anything is imported.

Arguments: the job, bytes of memory, seconds of processor time.  Jobs, from standard input to
standard output:
    run     onnxruntime; an .npz with `model` (bytes), `names` (JSON: of the inputs, then of the
            outputs), `feed0`, ...; answers an .npz with `out0`, ...
    shapes  shape inference of onnx; a ModelProto; answers a GraphProto with the outputs' types
"""

import io
import json
import resource
import sys


def main() -> None:
    """One job."""
    memory, seconds = int(sys.argv[2]), int(sys.argv[3])
    limit(resource.RLIMIT_AS, memory)
    limit(resource.RLIMIT_CPU, seconds)
    limit(resource.RLIMIT_FSIZE, 0)
    job = {"run": run, "shapes": shapes}[sys.argv[1]]
    sys.stdout.buffer.write(job(sys.stdin.buffer.read()))


def run(given: bytes) -> bytes:
    """One run of one model."""
    import numpy as np
    import onnxruntime

    with np.load(io.BytesIO(given), allow_pickle=False) as data:
        arrays = {key: data[key] for key in data.files}
    feeds = [arrays[f"feed{k}"] for k in range(len(arrays) - 2)]
    names = json.loads(arrays["names"].tobytes())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        arrays["model"].tobytes(), options, providers=["CPUExecutionProvider"]
    )
    outputs = session.run(names[len(feeds) :], dict(zip(names, feeds, strict=False)))
    buffer = io.BytesIO()
    np.savez(buffer, **{f"out{k}": array for k, array in enumerate(outputs)})
    return buffer.getvalue()


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
