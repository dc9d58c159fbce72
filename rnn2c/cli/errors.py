"""How a refusal looks: one line on stderr, exit code 2, no traceback."""

from __future__ import annotations

import rich_click as click

from rnn2c.errors import Rnn2cError


class Refusal(click.ClickException):
    """An Rnn2cError on its way to the terminal."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(f"rnn2c: error: {self.format_message()}", err=True)


class RefusingGroup(click.RichGroup):
    """Turns every Rnn2cError of a command into a Refusal."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Rnn2cError as error:
            raise Refusal(" ".join(str(error).split())) from None
