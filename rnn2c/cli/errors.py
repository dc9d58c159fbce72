"""How a refusal looks: one line on stderr, exit code 2, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import rich_click as click

from rnn2c.errors import Rnn2cError, one_line

PROGRAM = "rnn2c"
REFUSED = 2


class RefusingGroup(click.RichGroup):
    """Turns every Rnn2cError of a command, and every wrong option, into one plain line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; where it stands alone, leave with its exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            code = super().main(args, prog_name or PROGRAM, complete_var, False, **extra)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else PROGRAM
            _print(f"{error.format_message()} See `{command} --help`.")
            code = REFUSED
        except click.Abort:
            code = 1
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; exit with code 2 where it refuses its input."""
        try:
            return super().invoke(ctx)
        except Rnn2cError as error:
            _print(str(error))
        except MemoryError:
            _print("not enough memory for this model and data; use a smaller one")
        return ctx.exit(REFUSED)


def _print(text: str) -> None:
    click.echo(f"rnn2c: error: {one_line(text)}", err=True)
