"""A record of `rnn2c bench` as text for people."""

from __future__ import annotations

from typing import Any

from rnn2c.cli.bench_record import Record

FLOAT_NOTE = "the flash above is without libm and the compiler's float routines"


def summary(record: Record) -> str:
    """What one model costs: sizes, a step, and the profile of its stages."""
    flash, step, finish = record["flash_bytes"], record["step"], record["finish"]
    instead = record.get("ran_on", record["target"])
    how = "measured in its emulator"
    if instead != record["target"]:
        how = f"estimated: nothing emulates it, compiled for {instead} and measured there"
    lines = [
        f"{record['target']}: {how}",
        f"  flash   {flash['total']} bytes: {flash['code']} code, {flash['weights']} weights,"
        f" {flash['tables']} tables",
        *_linked(record.get("called_flash_bytes")),
        f"  RAM     {record['ram_bytes']['total']} bytes, stack {record['stack_bytes']}",
        f"  step    {cost(step)} for {step['macs']} multiply-accumulates",
    ]
    if step["milliseconds"] is not None:
        lines.append(f"  time    {_time(step, record['power'])}")
    if finish is not None:
        steps = f" after {finish['steps']} steps" if "steps" in finish else ""
        lines.append(f"  finish  {cost(finish)}{steps}")
    if record["no_cycles"]:
        lines.append(f"  note    no cycles: {record['no_cycles']}")
    if record["is_float"]:
        lines.append(f"  note    {FLOAT_NOTE}")
    return "\n".join(lines + _profile(record["stages"]))


def _linked(called: Record | None) -> list[str]:
    """What a firmware gets; older records do not say it."""
    if called is None:
        return []
    what = "where only init, step and finish are called"
    return [f"  linked  {called['total']} bytes {what}: {called['code']} code"]


def cost(counts: Record) -> str:
    """Instructions, and cycles with what they are worth."""
    text = f"{counts['instructions']} instructions"
    if counts["cycles_kind"] == "exact":
        return f"{counts['cycles']} cycles, {text}"
    return text if counts["cycles"] is None else f"{text}, about {counts['cycles']} cycles"


def number(value: float) -> str:
    """Three significant digits, or all digits of a larger number."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _time(step: Record, power: Record) -> str:
    text = f"{number(step['milliseconds'])} ms"
    at = f"at {power['clock_mhz']:g} MHz"
    if step["microjoules"] is not None:
        text += f", {number(step['microjoules'])} microjoules"
        at += f", {power['supply_v']:g} V, {power['current_ma']:.3g} mA"
    return f"{text} {at} ({power['source']})"


def _profile(stages: list[Record]) -> list[str]:
    """A table of the stages of step; what no stage has is the call and the return."""
    if not stages:
        return []
    rows = [("instructions", "cycles", "share", "stage of step")]
    rows += [
        (str(s["instructions"]), _or_dash(s["cycles"]), f"{100 * s['share']:.1f} %", s["name"])
        for s in stages
    ]
    if all(s["cycles"] is None for s in stages):
        rows = [(a, "", c, d) for a, _, c, d in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join([*(t.rjust(w) for t, w in zip(row[:3], widths, strict=False) if w), row[3]])
        for row in rows
    ]


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)
