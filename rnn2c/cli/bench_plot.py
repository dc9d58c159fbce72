"""Where the instructions go, as a picture: a stacked bar per record, a colour per stage."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

from rnn2c.cli.bench_record import Record
from rnn2c.errors import MissingToolError, Rnn2cError

FORMATS = (".svg", ".png")
LONGEST_LABEL = 60
COLORS = 20


def check_plot(path: Path | None) -> None:
    """Raise before anything is measured what would make `plot` fail."""
    if path is None:
        return
    if path.suffix not in FORMATS:
        raise Rnn2cError(f"--plot {path}: the name has to end with {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise Rnn2cError(f"--plot {path}: there is no folder {path.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingToolError("--plot needs matplotlib: pip install 'rnn2c[plot]'")


def plot(path: Path | None, records: list[Record]) -> None:
    """Write the picture of one or more records; the same records, the same bytes."""
    if path is None:
        return
    import matplotlib

    settings: Any = {
        "font.size": 9,
        "svg.fonttype": "none",
        "svg.hashsalt": "rnn2c",
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        data = _drawn(records, path.suffix.removeprefix("."))
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Rnn2cError(f"cannot write {path}: {error.strerror}") from None


def _drawn(records: list[Record], kind: str) -> bytes:
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(s["name"] for r in records for s in r["stages"]))
    entries = len(names) + 1
    figure = Figure(figsize=(9, 1.4 + 0.6 * len(records) + 0.22 * entries), layout="constrained")
    axes = figure.subplots()
    _bars(axes, records, names)
    axes.set_xlabel("instructions of one step")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower left", frameon=False, fontsize=8)
    stream = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
    return stream.getvalue()


def _bars(axes: Any, records: list[Record], names: list[str]) -> None:
    from matplotlib import colormaps

    labels = [f"{r['model']}\n{r['target']}" for r in records]
    rows = [len(records) - 1 - k for k in range(len(records))]
    left = [0.0] * len(records)
    colors = colormaps["tab20"](range(COLORS))
    for k, name in enumerate(names):
        widths = [sum(s["instructions"] for s in r["stages"] if s["name"] == name) for r in records]
        color = colors[k % COLORS]
        axes.barh(rows, widths, left=left, height=0.7, color=color, label=_short(name))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    rest = [max(0, r["step"]["instructions"] - a) for r, a in zip(records, left, strict=True)]
    axes.barh(rows, rest, left=left, height=0.7, color="0.8", label="call and return")
    axes.set_yticks(rows, labels)
    axes.set_xlim(0)


def _short(name: str) -> str:
    """A stage's name without what would keep it out of the legend, cut where it is long."""
    text = name.lstrip("_")
    return text if len(text) <= LONGEST_LABEL else f"{text[:LONGEST_LABEL]}..."
