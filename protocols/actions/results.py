"""How the meter answers: the result codes of a guarded session, and their words."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ResultCode(IntEnum):
    """What became of a command; every code but `DONE` says that nothing was changed."""

    DONE = 0
    BAD_MESSAGE = 1
    NO_SESSION = 2
    REPLAY = 3
    NOT_THIS_METER = 4
    BAD_SIGNATURE = 5
    UNTRUSTED = 6
    NOT_VALID_NOW = 7
    REVOKED = 8
    LEVEL_TOO_LOW = 9
    OUT_OF_SCOPE = 10
    NO_RECONFIGURATIONS = 11
    UNKNOWN_COMMAND = 12
    BAD_PARAMETER = 13
    BUSY = 14
    WRONG_STATE = 15
    WRONG_KEY = 16
    LOCKED = 17

    @property
    def words(self) -> str:
        """What it means, as a sentence goes on after "the meter": `does not know the command`."""
        return _WORDS[self][0]

    @property
    def hint(self) -> str:
        """What to do about it; empty after `DONE`."""
        return _WORDS[self][1]


_AGAIN: Final = "start the action again"
_WORDS: Final[dict[ResultCode, tuple[str, str]]] = {
    ResultCode.DONE: ("has done it", ""),
    ResultCode.BAD_MESSAGE: ("could not read the message", _AGAIN),
    ResultCode.NO_SESSION: ("has no session open: there was none, it expired, or it was cut off", _AGAIN),
    ResultCode.REPLAY: ("has seen this proof before", _AGAIN),
    ResultCode.NOT_THIS_METER: ("was given a proof that is meant for another meter", "check the address of the meter"),
    ResultCode.BAD_SIGNATURE: ("found that the signature does not fit the command", _AGAIN),
    ResultCode.UNTRUSTED: ("does not trust the certificate", "see: fieldtool certs show"),
    ResultCode.NOT_VALID_NOW: (
        "finds the certificate expired or not yet valid by its own clock",
        "compare the meter's clock, or ask for a new certificate",
    ),
    ResultCode.REVOKED: ("knows that the certificate is revoked", "ask the certificate desk for a new one"),
    ResultCode.LEVEL_TOO_LOW: ("wants a higher level for this", "use a certificate of the level that is needed"),
    ResultCode.OUT_OF_SCOPE: ("is outside of what the certificate is for", "use a certificate for this meter"),
    ResultCode.NO_RECONFIGURATIONS: ("has no reconfigurations left", "it cannot be set up again in the field"),
    ResultCode.UNKNOWN_COMMAND: ("does not know the command", "see what this meter can do in its manual"),
    ResultCode.BAD_PARAMETER: ("does not take the value", "choose another value"),
    ResultCode.BUSY: ("is busy", "wait a moment, then start again"),
    ResultCode.WRONG_STATE: ("cannot do this in its present state", "read it out to see its state"),
    ResultCode.WRONG_KEY: ("could not unwrap the new key: it holds another key", "find out which key it holds"),
    ResultCode.LOCKED: ("is locked after too many failures", "wait, then start again"),
}
