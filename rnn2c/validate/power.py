"""Time and energy of a number of cycles, at a clock, a supply voltage and a current."""

from __future__ import annotations

from dataclasses import dataclass

from rnn2c.errors import Rnn2cError
from rnn2c.target import Target


@dataclass(frozen=True)
class Power:
    """A clock in MHz and, as far as known, the supply in V and the current in mA at that clock.

    source: where these come from.
    """

    clock_mhz: float
    supply_v: float | None
    current_ma: float | None
    source: str

    def milliseconds(self, cycles: int) -> float:
        """How long so many cycles take."""
        return cycles / self.clock_mhz / 1000

    def microjoules(self, cycles: int) -> float | None:
        """What so many cycles take from the supply; None if that or the current is unknown."""
        if self.supply_v is None or self.current_ma is None:
            return None
        return self.supply_v * self.current_ma * self.milliseconds(cycles)

    def to_json(self) -> dict[str, object]:
        """The fields by their names."""
        return {
            "clock_mhz": self.clock_mhz,
            "supply_v": self.supply_v,
            "current_ma": self.current_ma,
            "source": self.source,
        }


def power_of(
    target: Target,
    *,
    clock_mhz: float | None = None,
    supply_v: float | None = None,
    current_ma: float | None = None,
) -> Power | None:
    """What the target's file says, with the arguments instead where they are given.

    None if there is no clock.  Raises Rnn2cError if a current or a voltage is given without one.
    """
    board = target.board
    given = {"clock": clock_mhz, "voltage": supply_v, "current": current_ma}
    named = [name for name, value in given.items() if value is not None]
    clock = clock_mhz or (board.clock_mhz if board else None)
    if clock is None:
        if named:
            raise Rnn2cError(
                f"target {target.name} names no clock, so a {named[0]} gives no energy: "
                "give the clock, too (--clock-mhz)"
            )
        return None
    if current_ma is None and board and board.current_ma_per_mhz is not None:
        current_ma = board.current_ma_per_mhz * clock
    sources = [f"{' and '.join(named)} as given"] if named else []
    if board and len(named) < len(given):
        sources.append(board.source)
    supply = supply_v or (board.supply_v if board else None)
    return Power(clock, supply, current_ma, "; ".join(sources))
