"""Errors of actions with a meter.

FieldToolError
├─ ReceiverError
│  ├─ LinkLost         the port was unplugged or the connection closed in the middle
│  └─ LinkSilent       the port is open, but the meter does not answer, or answers what nobody can read
│     └─ WrongMeter    another meter answers than the one that was named
├─ ActionRefused       the meter itself refused; `code` is its own
├─ KeyUnsettled        nobody can say yet which key a meter holds; what is needed to find out is kept
└─ KeyNotTaken         the meter says that it took a new key, and proves the old one

Messages never hold keys.
"""

from __future__ import annotations

from typing import ClassVar

from fieldtool.errors import FieldToolError, ReceiverError
from fieldtool.exit_codes import ExitCode


class LinkLost(ReceiverError):
    """The port was unplugged or the connection closed in the middle."""

    title = "link lost"


class LinkSilent(ReceiverError):
    """The port is open, but the meter does not answer, or what it answers cannot be read."""

    title = "no answer"


class WrongMeter(LinkSilent):
    """Another meter answers than the one that was named."""

    title = "wrong meter"


class ActionRefused(FieldToolError):
    """The meter refused; `code` is the meter's, the message its reason in words."""

    title = "refused by the meter"
    exit_code: ClassVar[ExitCode] = ExitCode.KEYSTORE

    def __init__(self, message: str, hint: str, code: int) -> None:
        super().__init__(message, hint)
        self.code = code


class KeyUnsettled(FieldToolError):
    """Nobody can say which key a meter holds; both are kept."""

    title = "key not settled"
    exit_code: ClassVar[ExitCode] = ExitCode.KEYSTORE


class KeyNotTaken(FieldToolError):
    """The meter says that it took a new key, and proves the old one."""

    title = "key not taken"
