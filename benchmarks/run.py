"""Compile and count every case of cases.py, and write the tables.

python benchmarks/run.py                       all: results.json, results.md, limits.toml, README.md
python benchmarks/run.py --only lstm cortex-m4 a       those that match every word: print only
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from cases import Case, cases, measured
from limits import FILE, limits_text, read_limits, tightened
from table import all_tables, parts, replace_between_marks

from rnn2c.errors import TooLargeError

HERE = Path(__file__).resolve().parent
RESULTS, TABLES, README = HERE / "results.json", HERE / "results.md", HERE.parent / "README.md"
KEPT = ("flash_bytes", "ram_bytes", "stack_bytes", "step", "stages")


def main() -> int:
    """Count, print, and, if nothing was left out, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="a cell, target, ...")
    parser.add_argument("--jobs", type=int, default=2, help="how many at the same time [2]")
    options = parser.parse_args()
    chosen = [case for case in cases() if set(options.only) <= set(vars(case).values())]
    if not chosen:
        parser.error(f"no case has all of {' '.join(options.only)}")
    results = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for result in pool.map(count, chosen):
            results.append(result)
            print(f"{len(results)} of {len(chosen)}", end="\r", file=sys.stderr, flush=True)
    print(all_tables(results))
    if not options.only:
        write(results)
    return 0


def count(case: Case) -> dict[str, Any]:
    """One case with its record; None as the record of what does not fit the target."""
    try:
        record = measured(case).to_json()
    except TooLargeError:
        return {**vars(case), "bench": None}
    return {**vars(case), "bench": {key: record[key] for key in KEPT}}


def write(results: list[dict[str, Any]]) -> None:
    """The results, every table made of them, and limits that they allow to lower."""
    lines = ",\n".join(json.dumps(result) for result in results)
    RESULTS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    TABLES.write_text(all_tables(results) + "\n", encoding="utf-8")
    for name, text in parts(results).items():
        replace_between_marks(README, name, text)
    FILE.write_text(limits_text(tightened(read_limits(), results)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
