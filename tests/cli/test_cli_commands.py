"""The commands as a user types them: what they print, what they write, how they exit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_onnx import Run

FILES = ["small.c", "small.h", "small_float.h", "small_selftest.c"]


def test_build_writes_four_files_and_says_what_they_need(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    done = cli("build", model, "--calib", calib, "--target", "cortex-m4", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == FILES
    for word in ("GRU 3 -> 5", "profile accurate", "agrees with onnxruntime", "flash", "RAM"):
        assert word in done.stdout


def test_a_process_ends_with_the_exit_code_of_its_command(process: Run) -> None:
    done = process("build", "nothing.onnx")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("rnn2c: error: ")
    assert (process("--version").returncode, process("build", "--wrong").returncode) == (0, 2)


def test_a_profile_that_no_target_names_is_chosen_on_the_command_line(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    options = ("--calib", calib, "--target", "cortex-m4", "--profile", "fast", "--json")
    record = json.loads(cli("build", model, *options, "-o", tmp_path / "out").stdout)
    assert record["profile"] == "fast"
    assert "numeric profile fast;" in (tmp_path / "out" / "small.h").read_text()
    assert json.loads(cli("verify", model, *options).stdout)["bit_exact"] is True


def test_the_level_is_chosen_on_the_command_line(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    options = ("--calib", calib, "--target", "cortex-m4", "--json")
    ids = set()
    for level in ("size", "balanced", "speed"):
        out = tmp_path / level
        record = json.loads(cli("build", model, *options, "--optimize", level, "-o", out).stdout)
        assert record["level"] == level
        assert f"level {level}," in (out / "small.h").read_text()
        ids.add(record["model_id"])
    assert len(ids) == 1
    assert json.loads(cli("verify", model, *options, "--optimize", "size").stdout)["bit_exact"]
    done = cli("build", model, *options, "--optimize", "tiny")
    assert done.returncode == 2
    assert "'size', 'balanced', 'speed'" in done.stderr


def test_build_says_what_products_cost_on_a_core_without_multiplication(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    options = ("--calib", calib, "--json", "-o", tmp_path / "out")
    record = json.loads(cli("build", model, "--target", "rv32ec", *options).stdout)
    products = f"a step take about {50 * record['macs']}; weights ternary need one for a row"
    assert products in record["notes"][-1]
    record = json.loads(
        cli("build", model, "--target", "rv32ec", "--weights", "ternary", *options).stdout
    )
    assert "weights ternary" not in record["notes"][-1]
    assert int(record["notes"][-1].split()[-1]) < 50 * record["macs"] / 2
    record = json.loads(cli("build", model, "--target", "rv32imc", *options).stdout)
    assert not any("multiplication" in note for note in record["notes"])


def test_models_that_are_built_into_one_folder_share_their_tables(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    options = ("--calib", calib, "--target", "cortex-m4", "--shared-tables", "sensors")
    for name in ("ear", "hand"):
        done = cli("build", model, *options, "--name", name, "-o", tmp_path / "out")
        assert "2048 tables in sensors_tables.c)" in done.stdout
    shared = ["sensors_tables.c", "sensors_tables.h"]
    models = [f.replace("small", name) for name in ("ear", "hand") for f in FILES]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == models + shared
    record = json.loads(cli("build", model, *options, "--json").stdout)
    assert record["shared_tables"] == "sensors_tables"
    assert json.loads(cli("verify", model, *options, "--json").stdout)["bit_exact"] is True
    assert (
        json.loads(cli("bench", model, *options, "--json").stdout)["flash_bytes"]["tables"] == 2048
    )
    assert '#include "sensors_tables.h"' in cli("build", model, *options, "--emit", "c").stdout
    done = cli("build", model, *options[:-1], "No", "-o", tmp_path / "no")
    assert (done.returncode, (tmp_path / "no").exists()) == (2, False)
    assert "--shared-tables" in done.stderr


def test_build_is_deterministic(process: Run, model: Path, calib: Path, tmp_path: Path) -> None:
    for seed, out in enumerate("ab"):
        options = ("--calib", calib, "--no-crosscheck", "-o", tmp_path / out)
        done = process("build", model, *options, PYTHONHASHSEED=str(seed))
        assert (done.returncode, done.stderr) == (0, "")
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_build_json_has_the_sizes(cli: Run, model: Path, calib: Path, tmp_path: Path) -> None:
    done = cli("build", model, "--calib", calib, "--json", "-o", tmp_path / "out")
    record = json.loads(done.stdout)
    assert record["cross_checked"] is True
    assert record["macs"] == 3 * 5 * (3 + 5)
    assert record["ram_bytes"]["total"] == sum(
        record["ram_bytes"][part] for part in ("state", "scratch")
    )
    assert sorted(Path(f).name for f in record["files"]) == FILES


def test_name_option_names_files_and_functions(
    cli: Run, model: Path, calib: Path, tmp_path: Path
) -> None:
    cli("build", model, "--calib", calib, "--name", "wake", "-o", tmp_path / "out")
    assert "int wake_step(" in (tmp_path / "out" / "wake.h").read_text()


@pytest.mark.parametrize(
    ("stage", "word"),
    [
        ("float", "Gru"),
        ("fused", "Gru"),
        ("quantized", "int8"),
        ("program", "requantize"),
        ("c", "int small_step("),
    ],
)
def test_emit_prints_a_stage_and_writes_nothing(
    cli: Run, model: Path, calib: Path, tmp_path: Path, stage: str, word: str
) -> None:
    done = cli("build", model, "--calib", calib, "--no-crosscheck", "--emit", stage)
    assert done.returncode == 0
    assert word in done.stdout
    assert not list((tmp_path / "work").iterdir())


def test_verify_is_bit_exact_and_says_so(cli: Run, model: Path, calib: Path) -> None:
    done = cli("verify", model, "--calib", calib, "--target", "cortex-m4", "--json")
    record = json.loads(done.stdout)
    assert done.returncode == 0
    assert record["bit_exact"] is True
    assert record["first_mismatch"] is None
    assert record["sequences"] == 8
    assert record["steps"] == 4 * 10 + 4 * 16


def test_bench_counts_cycles_on_avr(cli: Run, model: Path, calib: Path) -> None:
    done = cli("bench", model, "--calib", calib, "--target", "atmega328p", "--json")
    record = json.loads(done.stdout)
    assert record["step"]["cycles_kind"] == "exact"
    stages = sum(stage["cycles"] for stage in record["stages"])
    assert 0 < stages < record["step"]["cycles"] * 1.05
    flash = record["flash_bytes"]
    assert flash["total"] == flash["code"] + flash["weights"] + flash["tables"]


def test_bench_on_host_is_refused(cli: Run, model: Path, calib: Path) -> None:
    done = cli("bench", model, "--calib", calib)
    assert done.returncode == 2
    assert "choose a target that runs in an emulator" in done.stderr


def test_targets_lists_every_target(cli: Run) -> None:
    names = {t["name"] for t in json.loads(cli("targets", "--json").stdout)}
    assert {"host", "cortex-m0plus", "cortex-m4", "atmega328p", "rv32imc", "rv32imac"} <= names


def test_build_from_onnx_imports_no_torch(model: Path, calib: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from rnn2c.cli import main\n"
        "try:\n"
        f"    main(['build', {str(model)!r}, '--calib', {str(calib)!r},"
        f" '-o', {str(tmp_path / 'out')!r}])\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "heavy = {'torch', 'onnxruntime', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_chip_that_nothing_emulates_is_compiled_for_and_another_one_runs(
    cli: Run, model: Path, calib: Path
) -> None:
    options = ("--calib", calib, "--target", "attiny1614")
    done = cli("verify", model, *options)
    assert done.returncode == 0
    assert "nothing emulates attiny1614: this C was compiled for it" in done.stdout
    record = json.loads(cli("verify", model, *options, "--json").stdout)
    assert (record["target"], record["ran_on"]) == ("attiny1614", "atmega328p")
    assert record["bit_exact"] is True
    record = json.loads(cli("bench", model, *options, "--json").stdout)
    assert (record["ran_on"], record["step"]["cycles_kind"]) == ("atmega328p", "estimated")
    assert "attiny1614: estimated: nothing emulates it" in cli("bench", model, *options).stdout
