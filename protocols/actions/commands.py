"""Commands: the application bytes of an action, CI field first, exactly as they are signed and sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from protocols.actions.parameters import Argument
from protocols.actions.table import (
    APPLICATION_ALL,
    APPLICATION_TESTING,
    BINARY_24,
    BY_HEADER,
    CI_APPLICATION_SELECT,
    CI_COMMAND,
    FORMS,
    SECURITY_KEY,
    ActionForm,
)
from protocols.errors import BadField, Truncated, Unsupported
from protocols.mbus.encode import encode_record
from protocols.mbus.records import parse_records
from protocols.model import Record, Value

LAYER: Final = "command"
LONGEST_COMMAND: Final = 240
_APPLICATION_MASK: Final = 0xF0


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the read-out has to show after a command: a record with this header and one of these values."""

    header: bytes
    values: tuple[Value, ...]
    tolerance: timedelta = timedelta(0)

    def fits(self, value: Value) -> bool:
        """Tell whether a record's value is what was written; times may have run on by the tolerance."""
        if isinstance(value, datetime):
            return any(isinstance(one, datetime) and abs(value - one) <= self.tolerance for one in self.values)
        return value in self.values


@dataclass(frozen=True, slots=True)
class Command:
    """One action's bytes; `arguments` are the checked parameters by name. repr shows neither: keys are among them."""

    action: str
    ci: int
    data: bytes = field(repr=False)
    arguments: tuple[tuple[str, Argument], ...] = field(default=(), repr=False)

    @property
    def application(self) -> bytes:
        """CI field and data: what is signed and sent."""
        return bytes((self.ci,)) + self.data

    @property
    def form(self) -> ActionForm:
        """The action's row of the table."""
        return FORMS[self.action]

    @property
    def shown(self) -> str:
        """The parameters for people: `2026-12-31`; empty when there are none. Keys are not shown."""
        by_name = dict(self.arguments)
        return ", ".join(one.shown(by_name[one.name]) for one in self.form.parameters)

    @property
    def read_back(self) -> ReadBack | None:
        """What the read-out has to show afterwards; None where it shows nothing of it."""
        form = self.form
        if not form.read_back:
            return None
        if not form.parameters:
            return ReadBack(form.read_back, form.expected)
        if form.ci == CI_APPLICATION_SELECT:
            return ReadBack(form.read_back, (self.data[0],))
        value = form.parameters[0].value(self.arguments[0][1])
        return ReadBack(form.read_back, () if isinstance(value, bytes) else (value,), form.tolerance)


def build_command(action: str, **parameters: Argument) -> Command:
    """Return the command of an action.

    Raises `ValueError` with words for an action that has none, and for unknown, missing or bad parameters.
    """
    form = FORMS.get(action)
    if form is None:
        raise ValueError(f"action {action!r} is no command")
    unknown = parameters.keys() - {one.name for one in form.parameters}
    if unknown:
        raise ValueError(f"{action} has no parameter {min(unknown)!r}")
    arguments = []
    for parameter in form.parameters:
        given = parameters.get(parameter.name, parameter.default)
        if given is None:
            raise ValueError(f"{action} needs the {parameter.text}: {parameter.range_text}")
        arguments.append((parameter.name, parameter.check(given)))
    return Command(action, form.ci, _data(form, arguments), tuple(arguments))


def _data(form: ActionForm, arguments: list[tuple[str, Argument]]) -> bytes:
    if form.ci == CI_APPLICATION_SELECT:
        minutes = arguments[0][1]
        return bytes((APPLICATION_TESTING | minutes if isinstance(minutes, int) and minutes else APPLICATION_ALL,))
    if not arguments:
        return form.header if form.fixed is None else encode_record(form.header, form.fixed)
    value = form.parameters[0].value(arguments[0][1])
    if form.header == SECURITY_KEY and isinstance(value, bytes):
        return form.header + bytes((BINARY_24,)) + value
    return encode_record(form.header, value)


def parse_command(application: bytes) -> Command:
    """Return the command that `build_command` wrote so; every command has one form only.

    Raises `Unsupported` for one that is not known, another `ProtocolError` for one whose parameter is not allowed.
    """
    if not application:
        raise Truncated("no command: there is no CI field", layer=LAYER, offset=0)
    if len(application) > LONGEST_COMMAND:
        raise BadField(f"a command has at most {LONGEST_COMMAND} bytes", layer=LAYER, offset=LONGEST_COMMAND)
    ci, data = application[0], application[1:]
    if ci == CI_APPLICATION_SELECT:
        command = _parse_select(data)
    elif ci == CI_COMMAND:
        command = _parse_record(data)
    else:
        raise Unsupported(f"CI {ci:02X} starts no command (50 or 51)", layer=LAYER, offset=0)
    if command.application != application:
        raise BadField(f"command {command.action} is not in the form that it has", layer=LAYER, offset=1)
    return command


def _parse_select(data: bytes) -> Command:
    if len(data) != 1:
        raise BadField("an application select has one byte", layer=LAYER, offset=1)
    if data[0] == APPLICATION_ALL:
        return build_command("test-mode", minutes=0)
    minutes = data[0] & ~_APPLICATION_MASK
    if data[0] & _APPLICATION_MASK != APPLICATION_TESTING:
        raise Unsupported(f"application {data[0]:02X} cannot be selected", layer=LAYER, offset=1)
    return _built("test-mode", "minutes", minutes)


def _parse_record(data: bytes) -> Command:
    parsed = parse_records(data, 0, len(data), downlink=True)
    if parsed.problem is not None:
        raise BadField(f"the record of the command: {parsed.problem}", layer=LAYER, offset=1 + parsed.stopped_at)
    if len(parsed.records) != 1 or parsed.tail is not None:
        raise BadField("a command is one record", layer=LAYER, offset=1)
    record = parsed.records[0]
    form = BY_HEADER.get(record.header)
    if form is None:
        raise Unsupported(f"record {record.source} cannot be written", layer=LAYER, offset=1)
    if not form.parameters:
        return build_command(form.name)
    parameter = form.parameters[0]
    return _built(form.name, parameter.name, _argument(form, record))


def _argument(form: ActionForm, record: Record) -> Argument:
    if form.header == SECURITY_KEY:
        # Decoding withholds keys: the bytes are taken from the record itself, behind the LVAR byte.
        return record.data[1:]
    try:
        return form.parameters[0].argument(record.value)
    except ValueError as error:
        raise BadField(str(error), layer=LAYER, offset=1) from None


def _built(action: str, name: str, argument: Argument) -> Command:
    try:
        return build_command(action, **{name: argument})
    except ValueError as error:
        raise BadField(str(error), layer=LAYER, offset=1) from None
