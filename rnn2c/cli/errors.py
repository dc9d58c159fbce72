"""How a refusal looks: one line on stderr, exit code 2, no traceback."""

from __future__ import annotations

import rich_click as click

from rnn2c.errors import Rnn2cError

REFUSED = 2


class RefusingGroup(click.RichGroup):
    """Turns every Rnn2cError of a command into one plain line."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; exit with code 2 where it refuses its input."""
        try:
            return super().invoke(ctx)
        except Rnn2cError as error:
            click.echo(f"rnn2c: error: {' '.join(str(error).split())}", err=True)
            ctx.exit(REFUSED)
