"""rnn2c inspect: what is in a model and what it will cost, before any calibration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import rich_click as click

from rnn2c.cli.inspect_sums import sums_text
from rnn2c.cli.options import SOURCE, calibration, example_input, json_option, part_options
from rnn2c.errors import Rnn2cError
from rnn2c.ir.facts import LayerFacts, ModelFacts, model_facts
from rnn2c.ir.graph import Model
from rnn2c.ir.names import prose
from rnn2c.ir.window import whole_sequence
from rnn2c.pipeline import Memory, load, memory, parse_part, prepare, sums_of
from rnn2c.target import load_target


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@SOURCE[0]
@SOURCE[1]
@part_options
@click.option("--name", help="Name of the model [default: the file's].")
@click.option("--crosscheck/--no-crosscheck", default=True, help="Compare with onnxruntime.")
@click.option("--target", help="Show how wide sums are on this target, if that is a choice there.")
@click.option(
    "--calib",
    type=click.Path(path_type=Path),
    help="Calibration sequences for --target [default: noise].",
)
@json_option
def inspect(
    model: Path,
    module: str | None,
    example_shape: str | None,
    from_: tuple[str, ...],
    to: tuple[str, ...],
    state: tuple[str, ...],
    shape: tuple[str, ...],
    name: str | None,
    crosscheck: bool,
    target: str | None,
    calib: Path | None,
    as_json: bool,
) -> None:
    """Show the layers, the work per step and the memory of MODEL; needs no calibration."""
    if calib is not None and target is None:
        raise Rnn2cError("--calib is of use with --target only; leave it out or name a target")
    chosen = load_target(target) if target else None
    example = example_input(example_shape)
    part = parse_part(from_, to, state, shape)
    found = load(model, example, name=name, cross_check=crosscheck, module=module, part=part)
    imported = prepare(found)
    facts = model_facts(imported)
    need = memory(imported)
    data = calibration(calib, found) if calib else None
    sums = sums_of(imported, chosen, data) if chosen else ()
    if as_json:
        record = _record(imported, facts, need)
        click.echo(json.dumps(record | {"sums": [dataclasses.asdict(s) for s in sums]}))
    else:
        click.echo("\n".join(_summary(imported, facts, need)))
        click.echo("".join(f"{line}\n" for line in sums_text(sums, chosen, data)), nl=False)


def _record(model: Model, facts: ModelFacts, need: tuple[Memory, ...]) -> dict[str, object]:
    sizes, rates = model.sizes(), model.rates()
    return {
        "name": model.name,
        "import": model.cross_check,
        "cross_checked": not model.cross_check.startswith("not"),
        "inputs": [
            {"name": i.name, "size": i.size, "rate": i.rate, "tokens": i.tokens}
            for i in model.inputs
        ],
        "outputs": [
            {"name": o.name, "size": sizes[o.value], "rate": rates[o.value]} for o in model.outputs
        ],
        "layers": [dataclasses.asdict(layer) for layer in facts.layers],
        "parameters": facts.parameters,
        "macs_per_step": facts.macs("step"),
        "macs_per_step_in_finish": facts.macs("window"),
        "macs_per_sequence": facts.macs("sequence"),
        "waits_for_the_sequence": [layer.name for layer in whole_sequence(model)],
        "memory": [dataclasses.asdict(m) for m in need],
        "warnings": [w for layer in facts.layers for w in layer.warnings],
    }


def _summary(model: Model, facts: ModelFacts, need: tuple[Memory, ...]) -> Iterator[str]:
    sizes, rates = model.sizes(), model.rates()
    ins = [
        f"{prose(i.name)} {f'of {i.tokens} tokens' if i.tokens else f'[{i.size}]'} per {i.rate}"
        for i in model.inputs
    ]
    outs = [f"{prose(o.name)} [{sizes[o.value]}] per {rates[o.value]}" for o in model.outputs]
    yield (
        f"{prose(model.name)}: {facts.parameters} parameters, {facts.macs('step')}"
        f" multiply-accumulates a step, {_finish_macs(facts)} a sequence"
    )
    yield f"  import    {model.cross_check}"
    yield f"  inputs    {', '.join(ins)}"
    yield f"  outputs   {', '.join(outs)}"
    for title, rate in (
        ("every step", "step"),
        ("every step, in finish: needs the whole sequence, --max-steps N", "window"),
        ("once per sequence, in finish", "sequence"),
    ):
        layers = [layer for layer in facts.layers if layer.rate == rate]
        if layers:
            yield f"  {title}"
            yield from (f"    {_line(layer)}" for layer in layers)
    more = ", and of every step of a sequence" if whole_sequence(model) else ""
    yield f"  memory    bytes of weights, and of state{more}"
    for m in need:
        yield f"    {m.precision:8} {m.weights:8} {m.state:6}" + (
            f" {m.per_step:6}" if more else ""
        )
    for layer in facts.layers:
        yield from (f"  warning   {warning}" for warning in layer.warnings)


def _finish_macs(facts: ModelFacts) -> str:
    waiting = facts.macs("window")
    once = f"{facts.macs('sequence')}"
    return f"{waiting} for each step and {once} once" if waiting else once


def _line(layer: LayerFacts) -> str:
    text = f"{prose(layer.name)}: {layer.kind} {layer.inputs[0]} -> {layer.output}"
    if not layer.parameters:
        return text
    return (
        f"{text}, {layer.parameters} parameters, {layer.macs} multiply-accumulates,"
        f" weights from {layer.smallest:.2g} to {layer.largest:.3g}{_quantized(layer)}"
    )


def _quantized(layer: LayerFacts) -> str:
    """Which matrices came as integers, and with what scales."""
    kinds: dict[str, list[str]] = {}
    for given in layer.quantized:
        kind = f"int{given.bits} with one scale for each {given.scales}"
        kinds.setdefault(kind, []).append(given.matrix)
    parts = [f"; {' and '.join(names)} came as {kind}" for kind, names in kinds.items()]
    return "".join(parts).replace("each tensor", "the tensor")
