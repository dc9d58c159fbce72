"""The settings of one Keras layer: each is read, known to be harmless, or refused by name."""

from __future__ import annotations

from typing import Any

from rnn2c.errors import Rnn2cError, UnsupportedError
from rnn2c.frontend.json_text import Json
from rnn2c.frontend.values import quoted

EVERYWHERE = frozenset(
    """name trainable activity_regularizer autocast batch_input_shape batch_shape input_dtype
    """.split()
)
"""Of any layer: they steer training, or repeat what the shapes say."""

MISSING: Any = object()


class Settings:
    """The `config` of a layer; `finish` refuses what nobody has read."""

    def __init__(self, where: str, values: Json) -> None:
        self.where = where
        self._values = values
        self._read: set[str] = set(EVERYWHERE)

    def refuse(self, text: str) -> UnsupportedError:
        return UnsupportedError(f"{self.where}: {text}")

    def take(self, key: str, default: Any = MISSING) -> Any:
        """The value of a setting; raises Rnn2cError if it is missing and has no default."""
        self._read.add(key)
        found = self._values.get(key, default)
        if found is MISSING:
            raise Rnn2cError(f"{self.where}: has no setting {quoted(key)}; save the model again")
        return found

    def flag(self, key: str, default: Any = MISSING) -> bool:
        found = self.take(key, default)
        if not isinstance(found, bool):
            raise Rnn2cError(f"{self.where}: {key} is {quoted(found)}, expected true or false")
        return found

    def count(self, key: str) -> int:
        found = self.take(key)
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise Rnn2cError(f"{self.where}: {key} is {quoted(found)}, expected at least 1")
        return found

    def number(self, key: str, default: Any = MISSING) -> float:
        found = self.take(key, default)
        if isinstance(found, bool) or not isinstance(found, (int, float)) or abs(found) > 1e30:
            raise Rnn2cError(f"{self.where}: {key} is {quoted(found)}, expected a number")
        return float(found)

    def must_be(self, key: str, only: Any, advice: str) -> None:
        """Refuse any value but one; a missing setting has that value."""
        found = self.take(key, only)
        if found != only:
            raise self.refuse(f"{key}={quoted(found)} is not supported; {advice}")

    def function(self, key: str, supported: tuple[str, ...]) -> str:
        """The name of an activation out of `supported`; None and a missing one mean "linear"."""
        found = self.take(key, None)
        found = "linear" if found is None else found
        if not isinstance(found, str):
            raise self.refuse(f"{key} is a function of your own; use {' or '.join(supported)}")
        if found not in supported:
            raise self.refuse(
                f"{key} {quoted(found)} is not supported; use {' or '.join(supported)}"
            )
        return found

    def ignore(self, keys: frozenset[str]) -> None:
        """Settings that change no result."""
        self._read |= keys

    def finish(self) -> None:
        """Check what every layer has; raises UnsupportedError naming the first unread setting."""
        policy = self.take("dtype", "float32")
        if isinstance(policy, dict) and policy.get("class_name") in ("DTypePolicy", "Policy"):
            inner = policy.get("config")
            policy = inner.get("name") if isinstance(inner, dict) else inner
        if policy != "float32":
            raise self.refuse(f"dtype {quoted(policy)} is not supported; train in float32")
        for key in self._values:
            if key not in self._read:
                raise self.refuse(
                    f"setting {quoted(key)}={quoted(self._values[key])} is not known; "
                    "export the model to ONNX"
                )
