"""python tests/conformance/run_cases.py FOLDER: check every case in the folders below FOLDER.

A case is a folder with `model.onnx`, `data.npz` (arrays in_NAME and out_NAME, or s0_in_0_NAME and
s0_out_0_NAME, in the shapes of the ONNX file) and, if its outputs are less exact than 1e-5,
`meta.json` with `rtol` and `atol`.  Prints what failed, the messages of refusals with how often
they came, the counts; with --verbose the errors of each case.  Exit code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from conform import TOLERANCE, Case, Outcome, check

ARRAY = re.compile(r"(?:s0_)?(in|out)_(?:\d+_)?(.+)")


def read_case(folder: Path) -> Case:
    """The case in a folder."""
    arrays: dict[str, dict[str, np.ndarray]] = {"in": {}, "out": {}}
    with np.load(folder / "data.npz") as data:
        for key in data.files:
            match = ARRAY.fullmatch(key)
            if match:
                arrays[match[1]][match[2]] = data[key]
    meta = folder / "meta.json"
    known = json.loads(meta.read_text()) if meta.exists() else {}
    tolerance = known.get("rtol", TOLERANCE), known.get("atol", TOLERANCE)
    proto = onnx.load(folder / "model.onnx")
    return Case(folder.name, proto, arrays["in"], arrays["out"], tolerance)


def outcome_of(folder: Path) -> Outcome:
    """Whatever happens is an outcome."""
    case = read_case(folder)
    with tempfile.TemporaryDirectory(prefix="rnn2c-") as made:
        try:
            return check([case], Path(made))[0]
        except Exception:
            text = " ".join(traceback.format_exc().splitlines()[-3:])
            return Outcome(case, failures=[f"{case.name}: escaped: {text}"])


def main() -> int:
    """Check a folder and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verbose", action="store_true", help="errors and bounds of each case")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    folders = sorted(p.parent for p in options.folder.rglob("model.onnx"))
    with ProcessPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(outcome_of, folders))
    refused = Counter(re.sub(r"^.*?: ", "", o.refusal, count=1) for o in outcomes if o.refusal)
    failed = [o for o in outcomes if o.failures]
    for outcome in outcomes:
        if options.verbose:
            shown = {k: f"{v:.1e}" for k, v in outcome.errors.items()}
            bounds = {k: f"{v:.1e}" for k, v in outcome.bounds.items()}
            print(outcome.case.name, shown, "allowed", bounds, outcome.refusal)
        print("".join(f"FAILED {text}\n" for text in outcome.failures), end="")
    for text, count in refused.most_common():
        print(f"refused {count}: {text}")
    accepted = len(outcomes) - sum(refused.values())
    print(
        f"{len(outcomes)} cases: {accepted} accepted, {sum(refused.values())} refused, "
        f"{len(failed)} failed"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
