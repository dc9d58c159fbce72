"""The command line.  Commands parse and print; everything else is in `pipeline`."""

from __future__ import annotations

import rich_click as click

from rnn2c import __version__
from rnn2c.cli.bench import bench
from rnn2c.cli.build import build
from rnn2c.cli.errors import RefusingGroup
from rnn2c.cli.inspect import inspect
from rnn2c.cli.targets import targets
from rnn2c.cli.verify import verify


@click.group(cls=RefusingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rnn2c")
def main() -> None:
    """Compile trained recurrent networks (LSTM, GRU, RNN) to C for microcontrollers."""


for command in (build, verify, bench, inspect, targets):
    main.add_command(command)
