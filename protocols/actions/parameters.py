"""The parameters of actions: kind, range and unit, read from text, checked, and turned into record values and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from protocols.model import Value
from protocols.text import safe_text

Argument: TypeAlias = str | int | date | datetime | bytes
"""What a caller hands over for a parameter; times are aware."""

WRAPPED_KEY_LENGTH: Final = 24
"""A key of 16 bytes wrapped by RFC 3394."""


class ParameterKind(StrEnum):
    """What a parameter is."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    DATE = "date"
    TIME = "time"
    WRAPPED_KEY = "wrapped key"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an action.

    `low` and `high` are the range of a number, or of a text's length. `choices` are words, by the number that is sent.
    A number in `unit` goes into the record times `scale`. `default` is None where something has to be said.
    """

    name: str
    kind: ParameterKind
    text: str
    unit: str = ""
    low: int = 0
    high: int = 0
    choices: tuple[tuple[int, str], ...] = ()
    scale: Decimal = field(default=Decimal(1))
    default: Argument | None = None

    @property
    def range_text(self) -> str:
        """What may be given, in words: `1 to 250`."""
        match self.kind:
            case ParameterKind.NUMBER:
                return f"{self.low} to {self.high}{f' {self.unit}' if self.unit else ''}"
            case ParameterKind.TEXT:
                return f"{self.low} to {self.high} printable ASCII characters"
            case ParameterKind.CHOICE:
                return ", ".join(word for _, word in self.choices)
            case ParameterKind.DATE:
                return "YYYY-MM-DD"
            case ParameterKind.TIME:
                return "YYYY-MM-DDTHH:MM:SS, UTC unless a zone is given"
            case ParameterKind.WRAPPED_KEY:
                return f"{WRAPPED_KEY_LENGTH} bytes"

    def read(self, text: str) -> Argument:
        """Return what a person typed as an argument; `ValueError` with words when it is none."""
        return self.check(_READERS[self.kind](self, text.strip()))

    def check(self, argument: Argument) -> Argument:
        """Return the argument as it is sent and parsed again; `ValueError` with words when it may not be given."""
        return _CHECKS[self.kind](self, argument)

    def value(self, argument: Argument) -> Value | bytes:
        """Return the record value of a checked argument."""
        match argument:
            case bytes():
                return argument
            case datetime():
                return argument.astimezone(UTC).replace(tzinfo=None)
            case str() if self.kind is ParameterKind.CHOICE:
                return next(code for code, word in self.choices if word == argument)
            case int():
                return argument * self.scale if self.scale != 1 else argument
            case _:
                return argument

    def argument(self, value: Value) -> Argument:
        """Return the checked argument of a record value; `ValueError` with words when it may not be given."""
        match self.kind, value:
            case ParameterKind.TIME, datetime():
                return self.check(value.replace(tzinfo=UTC))
            case ParameterKind.CHOICE, int():
                word = dict(self.choices).get(value)
                if word is None:
                    raise self._refused(str(value))
                return word
            case ParameterKind.NUMBER, Decimal() | int():
                number = Decimal(value) / self.scale
                if number != number.to_integral_value():
                    raise self._refused(str(value))
                return self.check(int(number))
            case ParameterKind.TEXT | ParameterKind.DATE, str() | date():
                return self.check(value)
            case _:
                raise self._refused("what was sent")

    def shown(self, argument: Argument) -> str:
        """Return an argument for people; a key is never shown."""
        match argument:
            case bytes():
                return "a new key"
            case datetime():
                return f"{argument:%Y-%m-%d %H:%M:%S} UTC"
            case date():
                return f"{argument:%Y-%m-%d}"
            case _:
                return safe_text(f"{argument} {self.unit}".rstrip())

    def _refused(self, given: str) -> ValueError:
        return ValueError(f"{safe_text(given, 40)!r} is not a {self.text}: {self.range_text}")


def _read_number(parameter: Parameter, text: str) -> Argument:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise parameter._refused(text)
    return int(text)


def _read_date(parameter: Parameter, text: str) -> Argument:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise parameter._refused(text) from None


def _read_time(parameter: Parameter, text: str) -> Argument:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise parameter._refused(text) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _read_key(parameter: Parameter, text: str) -> Argument:
    raise ValueError("a key is never typed in: it is made, or read from a file")


def _check_text(parameter: Parameter, argument: Argument) -> Argument:
    if not isinstance(argument, str) or not (argument.isascii() and argument.isprintable()):
        raise parameter._refused(str(argument))
    if not parameter.low <= len(argument) <= parameter.high or argument != argument.strip():
        raise parameter._refused(argument)
    return argument


def _check_number(parameter: Parameter, argument: Argument) -> Argument:
    if not isinstance(argument, int) or isinstance(argument, bool):
        raise parameter._refused(str(argument))
    if not parameter.low <= argument <= parameter.high:
        raise parameter._refused(str(argument))
    return argument


def _check_choice(parameter: Parameter, argument: Argument) -> Argument:
    if argument not in {word for _, word in parameter.choices}:
        raise parameter._refused(str(argument))
    return argument


def _check_date(parameter: Parameter, argument: Argument) -> Argument:
    if not isinstance(argument, date) or isinstance(argument, datetime) or not _is_near(argument):
        raise parameter._refused(str(argument))
    return argument


def _check_time(parameter: Parameter, argument: Argument) -> Argument:
    if not isinstance(argument, datetime) or argument.tzinfo is None:
        raise parameter._refused(str(argument))
    # Seconds are the finest that a meter is told.
    try:
        whole = argument.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise parameter._refused(str(argument)) from None
    if not _is_near(whole.date()):
        raise parameter._refused(str(argument))
    return whole


def _check_key(parameter: Parameter, argument: Argument) -> Argument:
    if not isinstance(argument, bytes) or len(argument) != WRAPPED_KEY_LENGTH:
        raise ValueError(f"a wrapped key has {WRAPPED_KEY_LENGTH} bytes")
    return argument


_FIRST_DAY: Final = date(2000, 1, 1)
_DAYS: Final = timedelta(days=365 * 80)
"""The two-digit years of date types G and I reach to 2080."""


def _is_near(day: date) -> bool:
    return _FIRST_DAY <= day < _FIRST_DAY + _DAYS


_READERS: Final[dict[ParameterKind, Callable[[Parameter, str], Argument]]] = {
    ParameterKind.TEXT: lambda parameter, text: text,
    ParameterKind.CHOICE: lambda parameter, text: text.lower(),
    ParameterKind.NUMBER: _read_number,
    ParameterKind.DATE: _read_date,
    ParameterKind.TIME: _read_time,
    ParameterKind.WRAPPED_KEY: _read_key,
}
_CHECKS: Final[dict[ParameterKind, Callable[[Parameter, Argument], Argument]]] = {
    ParameterKind.TEXT: _check_text,
    ParameterKind.CHOICE: _check_choice,
    ParameterKind.NUMBER: _check_number,
    ParameterKind.DATE: _check_date,
    ParameterKind.TIME: _check_time,
    ParameterKind.WRAPPED_KEY: _check_key,
}
