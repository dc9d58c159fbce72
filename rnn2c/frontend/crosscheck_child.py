"""Child process of the cross-check: runs onnxruntime once, under limits set before it is imported.

Arguments: bytes of memory, seconds of processor time.  Standard input: an .npz with `model`
(bytes), `names` (JSON: of the inputs, then of the outputs), `feed0`, ...; standard output: an
.npz with `out0`, ...
"""

import io
import json
import resource
import sys


def main() -> None:
    """One run of one model."""
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    limit(resource.RLIMIT_AS, memory)
    limit(resource.RLIMIT_CPU, seconds)
    limit(resource.RLIMIT_FSIZE, 0)
    import numpy as np
    import onnxruntime

    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as data:
        given = {key: data[key] for key in data.files}
    feeds = [given[f"feed{k}"] for k in range(len(given) - 2)]
    names = json.loads(given["names"].tobytes())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        given["model"].tobytes(), options, providers=["CPUExecutionProvider"]
    )
    outputs = session.run(names[len(feeds) :], dict(zip(names, feeds, strict=False)))
    buffer = io.BytesIO()
    np.savez(buffer, **{f"out{k}": array for k, array in enumerate(outputs)})
    sys.stdout.buffer.write(buffer.getvalue())


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
