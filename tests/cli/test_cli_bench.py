"""`rnn2c bench`: time and energy, results kept in files, compared and drawn."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from small_onnx import Run

from rnn2c.cli.bench_compare import compare, comparison
from rnn2c.cli.bench_plot import check_plot, plot
from rnn2c.cli.bench_record import read_record
from rnn2c.cli.bench_text import summary
from rnn2c.errors import MissingToolError, Rnn2cError
from rnn2c.target import load_target
from rnn2c.validate.power import power_of

COUNTS = {
    "instructions": 1000,
    "cycles": 1500,
    "cycles_kind": "estimated",
    "milliseconds": 0.015,
    "microjoules": 0.495,
    "stack_bytes": 40,
}
RECORD: dict[str, Any] = {
    "model": "net",
    "target": "cortex-m4",
    "flash_bytes": {"code": 1100, "weights": 400, "tables": 2048, "total": 3548},
    "ram_bytes": {"state": 90, "scratch": 10, "total": 100},
    "stack_bytes": 40,
    "init": COUNTS,
    "step": {**COUNTS, "macs": 240, "constant": True},
    "finish": None,
    "stages": [
        {"name": "first", "instructions": 300, "cycles": 500, "share": 0.33},
        {"name": "second", "instructions": 690, "cycles": 980, "share": 0.65},
    ],
    "power": {"clock_mhz": 100.0, "supply_v": 3.3, "current_ma": 10.0, "source": "a data sheet"},
    "no_cycles": None,
    "is_float": False,
}


def faster() -> dict[str, Any]:
    record = copy.deepcopy(RECORD)
    record["step"] |= {"instructions": 750, "cycles": None, "milliseconds": None}
    record["stages"][1]["instructions"] = 440
    return record


# -- time and energy -----------------------------------------------------------------------------


def test_energy_is_supply_times_current_times_time() -> None:
    power = power_of(load_target("cortex-m4"), clock_mhz=50.0, supply_v=2.0, current_ma=8.0)
    assert power is not None
    assert power.milliseconds(100_000) == 2.0
    assert power.microjoules(100_000) == 2.0 * 8.0 * 2.0
    assert power.source == "clock and voltage and current as given"


def test_the_current_of_the_target_file_grows_with_the_clock() -> None:
    target = load_target("cortex-m4")
    slow, usual = power_of(target, clock_mhz=10.0), power_of(target)
    assert slow is not None
    assert usual is not None
    assert usual.current_ma == pytest.approx(10.0)
    assert slow.current_ma == pytest.approx(1.0)
    assert slow.microjoules(1000) == pytest.approx(usual.microjoules(1000))
    assert "DS10314" in usual.source


def test_without_a_current_there_is_a_time_and_no_energy() -> None:
    power = power_of(load_target("cortex-m3"))
    assert power is not None
    assert (power.milliseconds(24_000), power.microjoules(24_000)) == (1.0, None)


def test_a_current_without_a_clock_is_refused() -> None:
    assert power_of(load_target("cortex-m55")) is None
    with pytest.raises(Rnn2cError, match=r"cortex-m55 names no clock.*--clock-mhz"):
        power_of(load_target("cortex-m55"), current_ma=3.0)


def test_bench_estimates_cycles_and_says_the_time(cli: Run, model: Path, calib: Path) -> None:
    options = ("--calib", calib, "--target", "cortex-m4", "--clock-mhz", 10, "--current-ma", 2)
    done = cli("bench", model, *options, "--voltage", 3, "-o", "here")
    assert done.returncode == 0, done.stderr
    assert "microjoules at 10 MHz, 3 V, 2 mA (clock and voltage and current as given)" in (
        done.stdout
    )
    assert "stage of step" in done.stdout


def test_bench_json_has_cycles_time_and_shares(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    options = ("--calib", calib, "--clock-mhz", 10, "-o", tmp_path, "--json")
    record = json.loads(cli("bench", model, *options, "--target", "cortex-m4").stdout)
    step = record["step"]
    assert step["cycles_kind"] == "estimated"
    assert step["instructions"] < step["cycles"] < 3 * step["instructions"]
    assert step["milliseconds"] == pytest.approx(step["cycles"] / 10_000)
    assert step["microjoules"] == pytest.approx(3.3 * 1.0 * step["milliseconds"])
    assert 0.5 < sum(stage["share"] for stage in record["stages"]) <= 1
    assert read_record(tmp_path) == record
    plain = json.loads(cli("bench", model, *options, "--target", "cortex-m7").stdout)
    assert plain["step"]["cycles"] is plain["step"]["milliseconds"] is None
    assert plain["no_cycles"] == "there is no timing model of cortex-m7"
    assert 0.5 < sum(stage["share"] for stage in plain["stages"]) <= 1


def test_why_there_are_no_cycles_is_seen() -> None:
    record = faster() | {"no_cycles": "because"}
    assert "note    no cycles: because" in summary(record)
    assert "about 1500 cycles" in summary(RECORD)
    assert "0.015 ms, 0.495 microjoules at 100 MHz, 3.3 V, 10 mA (a data sheet)" in summary(RECORD)


# -- comparing -----------------------------------------------------------------------------------


def test_compare_names_differences_and_ratios() -> None:
    made = compare(RECORD, faster())
    rows = {row["name"]: row for row in made["figures"]}
    assert rows["step.instructions"]["difference"] == -250
    assert rows["step.instructions"]["ratio"] == 0.75
    assert rows["flash_bytes.total"]["difference"] == 0
    assert rows["step.cycles"] == {
        "name": "step.cycles", "first": 1500, "second": None, "difference": None, "ratio": None,
    }  # fmt: skip
    assert "finish.instructions" not in rows
    assert [row["difference"] for row in made["stages"]] == [0, -250]


def test_stages_are_compared_by_name_and_order() -> None:
    other = faster()
    other["stages"] = [RECORD["stages"][0], RECORD["stages"][0], {**RECORD["stages"][1]}]
    other["stages"][2]["name"] = "third"
    stages = {
        row["name"]: (row["first"], row["second"]) for row in compare(RECORD, other)["stages"]
    }
    assert stages == {
        "first": (300, 300), "second": (690, None), "first (2)": (None, 300), "third": (None, 690),
    }  # fmt: skip


def test_comparison_shows_what_changed() -> None:
    lines = comparison(RECORD, faster()).splitlines()
    step = next(line for line in lines if line.startswith("step: instructions"))
    assert step.split()[2:] == ["1000", "750", "-250", "-25.0", "%"]
    assert next(line for line in lines if line.startswith("RAM")).split() == [
        "RAM",
        "100",
        "100",
        "0",
    ]


def test_compare_on_the_command_line(cli: Run, tmp_path: Path) -> None:
    folder, file = tmp_path / "out", tmp_path / "other.json"
    folder.mkdir()
    (folder / "bench.json").write_text(json.dumps(RECORD))
    file.write_text(json.dumps(faster()))
    done = cli("bench", "--compare", folder, file, "--json", "--plot", tmp_path / "two.svg")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == compare(RECORD, faster())
    assert (tmp_path / "two.svg").stat().st_size > 1000
    assert "-25.0 %" in cli("bench", "--compare", folder, file).stdout


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r.pop("target"), "'target' is no text"),
        (lambda r: r["step"].pop("macs"), "'step.macs' is 'None'"),
        (lambda r: r["step"].update(instructions=True), "'step.instructions' is 'True'"),
        (lambda r: r["step"].update(cycles=float("nan")), "'step.cycles' is 'nan'"),
        (lambda r: r.update(ram_bytes=[]), "'ram_bytes.total' is 'None'"),
        (lambda r: r.update(stages=[{"name": 1}]), "'stages' is no list of stages"),
    ],
)
def test_a_damaged_result_is_refused(change: Any, complaint: str, tmp_path: Path) -> None:
    record = copy.deepcopy(RECORD)
    change(record)
    (tmp_path / "bench.json").write_text(json.dumps(record))
    with pytest.raises(Rnn2cError, match=complaint):
        read_record(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\x00"])
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(Rnn2cError, match="no result of rnn2c bench"):
        read_record(file)


def test_a_missing_result_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(Rnn2cError, match=r"rnn2c bench \.\.\. -o"):
        read_record(tmp_path)


@pytest.mark.parametrize("arguments", [(), ("net.onnx", "--compare", "a", "b")])
def test_either_a_model_or_two_results(cli: Run, arguments: tuple[str, ...]) -> None:
    done = cli("bench", *arguments)
    assert done.returncode == 2
    assert "Give MODEL, or --compare OUT1 OUT2" in done.stderr


def test_an_option_that_a_comparison_would_ignore_is_refused(cli: Run) -> None:
    done = cli("bench", "--compare", "a", "b", "--target", "cortex-m4")
    assert done.returncode == 2
    assert "--compare shows two results as they are; leave out --target" in done.stderr


# -- drawing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.svg", "a.png"])
def test_a_picture_is_the_same_every_time(name: str, tmp_path: Path) -> None:
    paths = [tmp_path / "one" / name, tmp_path / "two" / name]
    for path in paths:
        path.parent.mkdir()
        plot(path, [RECORD, faster()])
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    plot(paths[0], [RECORD])
    assert paths[0].read_bytes() != first


def test_the_picture_names_every_stage(tmp_path: Path) -> None:
    record = copy.deepcopy(RECORD)
    record["stages"][0]["name"] = "_costs $5 & more, in $TeX$"
    record["stages"][1]["name"] = "x" * 400
    plot(tmp_path / "a.svg", [record])
    text = (tmp_path / "a.svg").read_text()
    assert "costs $5 &amp; more, in $TeX$" in text
    assert "x" * 60 + "..." in text
    assert "call and return" in text


def test_what_cannot_be_drawn_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    check_plot(tmp_path / "a.png")
    with pytest.raises(Rnn2cError, match=r"has to end with \.svg or \.png"):
        check_plot(tmp_path / "a.pdf")
    with pytest.raises(Rnn2cError, match="there is no folder"):
        check_plot(tmp_path / "none" / "a.svg")


def test_a_missing_matplotlib_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingToolError, match=r"pip install 'rnn2c\[plot\]'"):
        check_plot(tmp_path / "a.svg")
