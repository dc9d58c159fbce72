"""rnn2c targets: what can be compiled for."""

from __future__ import annotations

import json

import rich_click as click

from rnn2c.cli.options import json_option
from rnn2c.target import list_targets


@click.command()
@json_option
def targets(as_json: bool) -> None:
    """List the targets."""
    known = list_targets()
    if as_json:
        click.echo(json.dumps([{"name": t.name, "description": t.description} for t in known]))
        return
    width = max(len(t.name) for t in known)
    for t in known:
        click.echo(f"{t.name:{width}}  {t.description}; profile {t.profile}")
