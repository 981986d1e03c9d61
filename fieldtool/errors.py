"""Errors that people see.

FieldToolError(message, hint)   what happened to which thing, and what to do about it; `title` names the kind
├─ UsageError                   the command line asks for something that does not exist or does not fit
│  └─ ConfigError               a file or environment variable that sets the program up is missing or wrong
├─ InputError                   a file of telegrams cannot be read at all
├─ OutputError                  a file cannot be written
├─ ReceiverError                something between the program and a receiver
│  ├─ PortBusy                  another program holds the port
│  ├─ PortGone                  there is no such port, or nothing listens at the address
│  ├─ PortDenied                the system does not let this user open the port
│  ├─ ReceiverSilent            the port is open, but what answers is not the receiver that was named
│  └─ ReceiverUnfit             the receiver that was named answers, but does not do what is asked of it
└─ AccessError                  keys are needed and the keystore cannot give them

Each carries the exit code of a command that ends with it. Messages never hold keys or passphrases.
"""

from __future__ import annotations

from typing import ClassVar

from fieldtool.exit_codes import ExitCode


class FieldToolError(Exception):
    """What happened to which thing (`message`), and what to do about it (`hint`)."""

    title: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.SOME_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FieldToolError):
    """The command line asks for something that does not exist or does not fit."""

    title = "usage"
    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A file or environment variable that sets the program up is missing or wrong."""

    title = "configuration"


class InputError(FieldToolError):
    """A file of telegrams cannot be read at all."""

    title = "input"
    exit_code = ExitCode.USAGE


class OutputError(FieldToolError):
    """A file cannot be written."""

    title = "output"
    exit_code = ExitCode.USAGE


class ReceiverError(FieldToolError):
    """Something between the program and a receiver."""

    title = "receiver"
    exit_code = ExitCode.RECEIVER


class PortBusy(ReceiverError):
    """Another program holds the port."""

    title = "port busy"


class PortGone(ReceiverError):
    """There is no such port, or nothing listens at the address."""

    title = "port gone"


class PortDenied(ReceiverError):
    """The system does not let this user open the port."""

    title = "port denied"


class ReceiverSilent(ReceiverError):
    """The port is open, but what answers is not the receiver that was named."""

    title = "no answer"


class ReceiverUnfit(ReceiverError):
    """The receiver that was named answers, but does not do what is asked of it."""

    title = "receiver unfit"


class AccessError(FieldToolError):
    """Keys are needed and the keystore cannot give them."""

    title = "keystore"
    exit_code = ExitCode.KEYSTORE
