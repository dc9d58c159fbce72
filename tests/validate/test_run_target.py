"""Target files: what is there, and that nothing unknown, missing or mistyped passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnn2c.data import targets_dir, templates_dir
from rnn2c.errors import Rnn2cError
from rnn2c.target import list_targets, load_target, read_target

NAMES = [
    *("atmega1284p", "atmega2560", "atmega328p", "attiny1614"),
    *("cortex-m0plus", "cortex-m3", "cortex-m33", "cortex-m4", "cortex-m55", "cortex-m7"),
    *("cortex-m85", "esp32c3", "host", "rv32ec", "rv32imac", "rv32imc"),
]


def test_every_target_file_is_listed_by_name():
    assert [target.name for target in list_targets()] == NAMES


def test_a_target_file_may_name_any_integer_profile_as_its_default(tmp_path: Path):
    text = (targets_dir() / "cortex-m4.toml").read_text()
    for profile in ("accurate", "fast", "compact"):
        path = tmp_path / "cortex-m4.toml"
        path.write_text(text.replace('"accurate"', f'"{profile}"'))
        assert read_target(path).profile == profile


def test_the_harness_of_every_target_exists():
    for target in list_targets():
        assert (templates_dir() / "harness" / f"io_{target.harness}.c.j2").is_file()


def test_limits_are_those_of_the_part():
    target = load_target("atmega328p")
    assert target.limits is not None
    assert (target.limits.flash_bytes, target.limits.ram_bytes) == (32_768, 2_048)
    assert (target.alignment, target.profile, target.accumulators) == (1, "compact", (16, 24, 32))
    assert load_target("host").limits is None


@pytest.mark.parametrize("name", ["cortex-m99", "", "../targets/host", "/etc/passwd", "host.toml"])
def test_unknown_and_path_like_names_are_refused(name):
    with pytest.raises(Rnn2cError, match=r"there is no target .*: choose one of atmega1284p, "):
        load_target(name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("alignment = 8", "", "key 'alignment' is missing"),
        ("alignment = 8", 'alignment = "8"', "key 'alignment' is '8', expected an integer"),
        ("alignment = 8", "alignment = true", "key 'alignment' is True, expected an integer"),
        ("alignment = 8", "alignment = 8\ncolour = 1", "unknown key 'colour'"),
        ('"accurate"', '"exact"', "'exact', expected 'accurate' or 'fast' or 'compact'"),
        ("[32, 64]", '[32, "64"]', "key 'accumulators' is '64', expected an integer"),
        ("[32, 64]", "32", "key 'accumulators' is 32, expected a list of an integer"),
        ('optimize = "-O2"', "", "key 'compiler.optimize' is missing"),
        ('optimize = "-O2"', 'optimize = "-O2"\nO = 1', "unknown key 'compiler.O'"),
        ('kind = "qemu"', 'kind = "bochs"', "key 'emulator.kind' is 'bochs'"),
        ("clock_mhz = 100.0", "clock_mhz = 100", "'board.clock_mhz' is 100, expected a decimal"),
        ("clock_mhz = 100.0", "clock_mhz = -1.0", "key 'board.clock_mhz' is -1.0, not above 0"),
        ("supply_v = 3.3", "supply_v = nan", "key 'board.supply_v' is nan, not above 0"),
        ('timing = "cortex-m4"', 'timing = "cortex-m7"', "key 'timing' is 'cortex-m7', expected"),
        ("alignment = 8", 'alignment = 8\nname = "x"', "key 'name' is not allowed"),
        ("alignment = 8", "alignment", "cortex-m4.toml: "),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_key(tmp_path: Path, old, new, message):
    text = (targets_dir() / "cortex-m4.toml").read_text()
    assert old in text
    path = tmp_path / "cortex-m4.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Rnn2cError) as refusal:
        read_target(path)
    assert message in str(refusal.value)
    assert "cortex-m4.toml" in str(refusal.value)
    assert "\n" not in str(refusal.value)
