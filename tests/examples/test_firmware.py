"""The firmware of the activity example runs on every kind of chip that it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rnn2c
from rnn2c.target import load_target

ACTIVITY = Path(__file__).resolve().parents[2] / "firmware_examples" / "activity"
ARDUINO = """\
#ifndef ARDUINO_H
#define ARDUINO_H
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/interrupt.h>
/* The few functions of Arduino's core that the sketch calls, on UART0 as there. */
static unsigned long millis(void) { return 0UL; }
struct HardwareSerial {
    void begin(unsigned long) { UCSR0B = (uint8_t)_BV(TXEN0); }
    explicit operator bool() const { return true; }
    void print(const char *text) {
        for (; *text != '\\0'; text++) {
            while ((UCSR0A & _BV(UDRE0)) == 0) { }
            UDR0 = (uint8_t)*text;
        }
    }
    void println(unsigned long) { print("-\\n"); }
};
static HardwareSerial Serial;
#endif
"""
MAIN = """
int main()
{
    setup();
    loop();
    cli();
    sleep_enable();
    for (;;) { sleep_cpu(); }
}
"""


def model_for(target: str, folder: Path) -> Path:
    """The network's C, as the example's README has it built."""
    sensor = json.loads((ACTIVITY / "sensor.json").read_text())
    model = rnn2c.load(ACTIVITY / "activity.onnx", name="har", cross_check=False)
    profile = load_target(target).profile
    integer = rnn2c.quantize(model, ACTIVITY / "calibration.npz", profile=profile)
    scale, offset = sensor["input_scale"], [float(v) for v in sensor["input_offset"]]
    rnn2c.compile(integer, target, input_scale=scale, input_offset=offset).emit(folder)
    return folder


def make(board: str, model: Path, *goals: str) -> str:
    command = ["make", "-s", "-C", str(ACTIVITY / board), f"MODEL={model}"]
    done = subprocess.run([*command, f"PYTHON={sys.executable}", *goals],
                          capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("rv32imc", ()),
        ("rv32ec", ("ARCH=rv32ec", "ABI=ilp32e", "CPU=rv32,i=false,e=true,h=false")),
    ],
)
def test_riscv(target: str, more: tuple[str, ...], tmp_path: Path):
    assert "19 of 21 windows right" in make("riscv", model_for(target, tmp_path), "run", *more)


@pytest.mark.parametrize("standard", ["gnu++11", "gnu++17"])
def test_the_arduino_sketch_compiles_as_arduino_does_and_runs(standard: str, tmp_path: Path):
    """The .ino as C++ with Arduino.h in front of it, the rest as C, linked with LTO."""
    make("arduino", model_for("atmega328p", tmp_path), "sketch")
    sketch = tmp_path / "arduino" / "activity"
    (sketch / "Arduino.h").write_text(ARDUINO)
    ino = (sketch / "activity.ino").read_text()
    (sketch / "activity.cpp").write_text(f'#include "Arduino.h"\n{ino}{MAIN}')
    common = ["-mmcu=atmega328p", "-DF_CPU=16000000UL", "-Os", "-flto", "-Wall", "-Wextra"]
    common += ["-Werror", "-ffunction-sections", "-fdata-sections", "-I", str(sketch)]
    for source in sorted(sketch.glob("*.c*")):
        language = ["avr-g++", f"-std={standard}"] if source.suffix == ".cpp" else ["avr-gcc"]
        subprocess.run([*language, *common, "-c", str(source), "-o", f"{source}.o"], check=True)
    elf = tmp_path / "activity.elf"
    objects = [str(o) for o in sorted(sketch.glob("*.o"))]
    subprocess.run(["avr-gcc", *common, "-Wl,--gc-sections", *objects, "-o", str(elf)], check=True)
    done = subprocess.run(["simavr", "-m", "atmega328p", "-f", "16000000", str(elf)],
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert "6 of 7 windows right" in done.stdout + done.stderr
