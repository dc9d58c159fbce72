"""What the emitted functions promise whatever they are given: codes, garbage, foreign images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from building import SANITIZED, Build, Built, c_array, run_main
from fixed import EXACT_OPTIONS, ZOOS, single, zoo_case
from windows import random_window

from rnn2c.execute import from_raw
from rnn2c.ir.graph import IntArray
from rnn2c.pipeline import QuantizeOptions, RawScale
from rnn2c.validate.harness import dtype_of
from rnn2c.validate.runner import run_sequences
from rnn2c.validate.toolchain import BuildOptions, ToolError
from rnn2c.validate.verify import reference

RANDOM = """
static uint32_t seed = 1u;

static void scramble(void *to, size_t bytes)
{
    uint8_t *p = (uint8_t *)to;
    while (bytes-- != 0u) {
        seed = (uint32_t)(seed * 1664525ull + 1013904223ull);
        *p++ = (uint8_t)(seed >> 24);
    }
}
"""


def storage(made: Built) -> str:
    """C variables: a state `s`, an image, and a buffer for every port."""
    name, macro = made.name, made.name.upper()
    lines = [f"{name}_state_t s, other;", f"uint8_t image[{macro}_SAVE_SIZE];"]
    interface = made.program.interface()
    lines += [f"{p.ctype} {p.name}{p.extents};" for p in (*interface.inputs, *interface.outputs)]
    return "\n".join(lines) + "\n"


def call(made: Built, function: str, null: str = "") -> str:
    """A call of init, step, finish or run (of one step) with `null` given as NULL."""
    names = {
        "init": ["s", *_names(made, "sequence", "inputs")],
        "step": ["s", *_names(made, "step", "inputs"), *_names(made, "step", "outputs")],
        "finish": ["s", *_names(made, "window", "outputs"), *_names(made, "sequence", "outputs")],
        "run": [
            *["s", *_names(made, "step", "inputs"), "1"],
            *[*_names(made, "step", "outputs"), *_names(made, "sequence", "outputs")],
        ],
    }[function]
    texts = ["NULL" if n == null else "&s" if n == "s" else n for n in names]
    return f"{made.name}_{function}({', '.join(texts)})"


def _names(made: Built, rate: str, direction: str) -> list[str]:
    return [p.name for p in made.ports(rate, direction)]


@pytest.mark.parametrize("zoo", [*ZOOS, "window"])
def test_garbage_states_and_inputs_have_no_undefined_behaviour(
    zoo: str, build: Build, tmp_path: Path
) -> None:
    made = build(random_window(1) if zoo == "window" else zoo_case(zoo))
    refusal = -2 if made.program.max_steps else 0
    inputs = [p.name for p in made.program.interface().inputs]
    scrambles = "".join(f"        scramble({n}, sizeof {n});\n" for n in inputs)
    loop = f"""
    for (int round = 0; round < 3000; round++) {{
        scramble(&s, sizeof s);
{scrambles}
        const int code = {call(made, "step")};
        if (code != 0 && code != {refusal}) {{ say("refused\\n"); }}
        if ({call(made, "finish")} != 0) {{ say("refused\\n"); }}
        if ({made.name}_save(&s, image) != 0) {{ say("not saved\\n"); }}
        scramble(image, sizeof image);
        if ({made.name}_restore(&s, image) != -4) {{ say("restored garbage\\n"); }}
    }}
    say("done\\n");"""
    assert run_main([made], RANDOM + storage(made), loop, tmp_path, SANITIZED)[0] == "done"


def test_null_pointers_are_refused_by_every_function(build: Build, tmp_path: Path) -> None:
    raw = RawScale((0.001,), (0.0,))
    made = build(single("one", "gru", QuantizeOptions(), units=3, raw=raw))
    checks = [call(made, "init", "s")]
    for function in ("step", "run"):
        checks += [call(made, function, n) for n in ("s", "x", "logits", "label")]
    checks = [c for c in checks if "NULL" in c]
    checks += [call(made, "finish", n) for n in ("s", "logits", "label")]
    checks += ["one_save(NULL, image)", "one_save(&s, NULL)"]
    checks += ["one_restore(NULL, image)", "one_restore(&s, NULL)"]
    checks += ["one_from_raw(NULL, x)", "one_from_raw(raw, NULL)"]
    assert len(checks) == 16
    body = storage(made) + "static int16_t raw[5];\nstatic int code;\n"
    each = "".join(f"    code = {c}; say_hex(&code, 1);\n" for c in checks)
    lines = run_main([made], body, f"    {call(made, 'init')};\n{each}", tmp_path, SANITIZED)
    assert lines[: len(checks)] == ["ff"] * len(checks)


def image_of(made: Built, change: dict[str, tuple[int, int]]) -> bytes:
    """A save image of zeros, except element `index` of the buffers in `change`."""
    parts = [made.program.model_id.to_bytes(4, "little")]
    for port in made.program.interface().saved:
        data = np.zeros(port.size, dtype_of(port))
        if port.name in change:
            index, value = change[port.name]
            data[index] = value
        parts.append(data.tobytes())
    return b"".join(parts)


def tried(made: Built, images: list[bytes], out: Path) -> list[tuple[int, bool]]:
    """Return code of restore for each image, and whether the state stayed as it was."""
    body = storage(made) + c_array(
        "uint8_t", "images", np.array([np.frombuffer(i, np.uint8) for i in images])
    )
    loop = f"""
    for (size_t k = 0; k < {len(images)}u; k++) {{
        memset(&s, 0x11, sizeof s);
        memset(&other, 0x11, sizeof other);
        const int8_t answer[2] = {{(int8_t){made.name}_restore(&s, images[k]),
                                  (int8_t)memcmp(&s, &other, sizeof s)}};
        say_hex(answer, 2);
    }}"""
    lines = run_main([made], body, loop, out, SANITIZED)[: len(images)]
    answers = [np.frombuffer(bytes.fromhex(line), np.int8) for line in lines]
    return [(int(code), bool(changed == 0)) for code, changed in answers]


@pytest.mark.parametrize("zoo", ["accurate", "compact hot"])
def test_restore_refuses_foreign_ids_and_leaves_the_state(
    zoo: str, build: Build, tmp_path: Path
) -> None:
    made = build(zoo_case(zoo))
    good = image_of(made, {})
    foreign = [bytes([*good[:k], good[k] ^ 1, *good[k + 1 :]]) for k in range(4)]
    assert tried(made, [*foreign, good], tmp_path) == [(-4, True)] * 4 + [(0, False)]


def test_restore_refuses_values_out_of_range(build: Build, tmp_path: Path) -> None:
    """In profile compact h_wide lies in [-2^14, 2^14 - 1], less than its type holds."""
    made = build(zoo_case("compact"))
    bad, good = [], []
    for port in made.program.interface().saved:
        b = made.program.buffer[port.name]
        limits = np.iinfo(dtype_of(port))
        if (b.lo, b.hi) != (limits.min, limits.max):
            ends = (0, port.size - 1)
            beyond = (b.lo - 1, b.hi + 1, limits.min, limits.max)
            bad += [image_of(made, {port.name: (i, v)}) for i in ends for v in beyond]
            good += [image_of(made, {port.name: (i, v)}) for i in ends for v in (b.lo, b.hi)]
    assert len(bad) == 16
    expected = [(-4, True)] * len(bad) + [(0, False)] * len(good)
    assert tried(made, bad + good, tmp_path) == expected


@pytest.mark.parametrize("function", ["step", "run"])
def test_save_and_restore_keep_extreme_states(function: str, build: Build, tmp_path: Path) -> None:
    """Least and largest value of every state buffer survive a save image, sign included."""
    made = build(zoo_case("accurate"))
    images = []
    for port in made.program.interface().saved:
        b = made.program.buffer[port.name]
        images += [image_of(made, {port.name: (port.size - 1, v)}) for v in (b.lo, b.hi, -1, 1)]
    body = storage(made) + c_array(
        "uint8_t", "images", np.array([np.frombuffer(i, np.uint8) for i in images])
    )
    spoil = f"(void){call(made, function)};"
    loop = f"""
    for (size_t k = 0; k < {len(images)}u; k++) {{
        {spoil}
        if ({made.name}_restore(&s, images[k]) != 0) {{ say("refused\\n"); }}
        if ({made.name}_save(&s, image) != 0) {{ say("not saved\\n"); }}
        say_hex(image, sizeof image);
    }}"""
    lines = run_main([made], body, loop, tmp_path, SANITIZED)
    assert lines[: len(images)] == [i.hex() for i in images]


def test_header_and_source_of_different_builds_do_not_compile(build: Build, tmp_path: Path) -> None:
    case = single("one", "lstm", QuantizeOptions(), units=3)
    old = build(case, folder="old")
    draft = case.model.layers[0]
    changed = replace(draft, b_ih=draft.b_ih + 0.1)  # type: ignore[attr-defined]
    model = case.model.with_layers((changed, *case.model.layers[1:]))
    new = build(case._replace(model=model), folder="new")
    assert new.compiled(tmp_path).is_file()
    (new.folder / "one.h").write_text((old.folder / "one.h").read_text())
    for build_options in (BuildOptions("gcc"), BuildOptions("clang")):
        with pytest.raises(ToolError, match="different builds"):
            new.compiled(tmp_path, build_options)


# -- sensor counts ------------------------------------------------------------------------------

SCALES = {
    "int8 affine": (EXACT_OPTIONS["split"], (1e-3, 3e-4, 1e-5, -2e-3, 0.5), (0.0,)),
    "balanced": (EXACT_OPTIONS["int8"], (1e-3,), (0.0, 100.0, -32768.0, 65535.0, 0.5)),
    "int16": (EXACT_OPTIONS["int16 split"], (1e-4,), (1234.5,)),
    "compact": (EXACT_OPTIONS["compact"], (1e-3, 2.0, 1e-7, 1e-3, -1e-3), (3.0,)),
}


@pytest.mark.parametrize("kind", SCALES)
def test_from_raw_on_every_count(kind: str, build: Build) -> None:
    """All 65 536 counts in every channel: bits as the reference, within one step of the formula."""
    options, scale, offset = SCALES[kind]
    made = build(single("one", "tanh", options, units=1, raw=RawScale(scale, offset)))
    counts = np.repeat(np.arange(-32768, 32768)[:, None], 5, axis=1)
    halves = [{"x": counts[:32768]}, {"x": counts[32768:]}]
    interface = made.program.interface()
    runs = run_sequences(made.folder, interface, made.target, halves, raw=True, build=SANITIZED)
    got = np.concatenate([run.outputs["x"] for run in runs])
    assert np.array_equal(got, from_raw(made.program, counts))
    b, form = made.program.buffer["x"], made.program.inputs[0].format
    real = (counts - np.broadcast_to(offset, 5)) * np.broadcast_to(scale, 5)
    wanted = np.clip(np.round(real / form.scale) + form.zero_point, b.lo, b.hi)
    assert np.abs(got - wanted).max() <= 1


def test_raw_counts_reach_the_state_as_the_reference_says(build: Build) -> None:
    options, scale, offset = SCALES["balanced"]
    made = build(single("one", "lstm", options, raw=RawScale(scale, offset)), "atmega328p")
    counts = np.random.default_rng(3).integers(-32768, 32768, (6, 5))
    interface = made.program.interface()
    (got,) = run_sequences(made.folder, interface, made.target, [{"x": counts}], raw=True)
    inputs: dict[str, IntArray] = {"x": got.outputs["x"]}
    expected = reference(made.program, inputs)
    assert all(np.array_equal(got.saved[n], a) for n, a in expected.saved.items())
