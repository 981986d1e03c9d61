"""The table of actions as bytes: which record each one writes, its parameter, and what is read back.

Who may do what stands elsewhere, in the keystore's table of levels; the names are the same. Records with VIF FF are the
simulated meter's own, where EN 13757-3 has nothing; no vendor's meter knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from protocols.actions.parameters import Parameter, ParameterKind
from protocols.model import Value

CI_APPLICATION_SELECT: Final = 0x50
CI_COMMAND: Final = 0x51
"""Application reset and select; records to a meter, without a header (EN 13757-7, CI table)."""

APPLICATION_ALL: Final = 0x00
APPLICATION_TESTING: Final = 0x90
"""The upper four bits choose the application (EN 13757-3, application select)."""

CUSTOMER_NUMBER: Final = bytes.fromhex("0DFD11")
CLOCK: Final = bytes.fromhex("066D")
PRIMARY_ADDRESS: Final = bytes.fromhex("017A")
PULSE_VALUE: Final = bytes.fromhex("029328")
DUE_DATE: Final = bytes.fromhex("42EC7E")
RADIO_INTERVAL: Final = bytes.fromhex("04FD3C")
ERROR_FLAGS: Final = bytes.fromhex("02FD17")
CLEAR_ERROR_FLAGS: Final = bytes.fromhex("00FD9707")
PEAK_FLOW: Final = bytes.fromhex("123B")
CLEAR_PEAK_FLOW: Final = bytes.fromhex("10BB07")
SECURITY_KEY: Final = bytes.fromhex("0DFD19")
SELECTED_APPLICATION: Final = bytes.fromhex("01FDFD00")
RADIO_ON: Final = bytes.fromhex("01FF01")
RADIO_PROFILE: Final = bytes.fromhex("01FF02")
LORAWAN_STATE: Final = bytes.fromhex("01FF03")
INSTALLATION: Final = bytes.fromhex("01FF04")
RECONFIGURATIONS_LEFT: Final = bytes.fromhex("01FF05")
SELECT_EVENT_LOG: Final = bytes.fromhex("08FF10")
"""Record headers, DIF to the last VIFE."""

BINARY_24: Final = 0xF2
"""The LVAR byte of 24 bytes of binary data (EN 13757-3, 6.3.6)."""

JOINING: Final = 1
JOINED: Final = 2
MOST_TEST_MINUTES: Final = 15


@dataclass(frozen=True, slots=True)
class ActionForm:
    """How one action is written down.

    `header` is that of the record behind CI 51, empty for an application select. Without parameters the record holds
    `fixed`, or no data where that is None. `read_back` is the header of the record to look for afterwards, empty where
    the read-out shows nothing; without parameters its value is one of `expected`. `source` is the clause, or says
    that the record is the simulated meter's own.
    """

    name: str
    ci: int
    header: bytes
    read_back: bytes
    source: str
    parameters: tuple[Parameter, ...] = ()
    fixed: int | None = None
    expected: tuple[Value, ...] = ()
    tolerance: timedelta = timedelta(0)


_OWN: Final = "the simulated meter's own"
_RECORD: Final = "EN 13757-3, record written by CI 51"
_CLEAR: Final = "EN 13757-3, object action clear"

_ROWS: Final = (
    ActionForm(
        "customer-number",
        CI_COMMAND,
        CUSTOMER_NUMBER,
        CUSTOMER_NUMBER,
        f"{_RECORD}, VIF FD 11",
        (Parameter("number", ParameterKind.TEXT, "customer number", low=1, high=20),),
    ),
    ActionForm(
        "clock",
        CI_COMMAND,
        CLOCK,
        CLOCK,
        f"{_RECORD}, VIF 6D, type I",
        (Parameter("time", ParameterKind.TIME, "time"),),
        tolerance=timedelta(minutes=2),
    ),
    ActionForm(
        "primary-address",
        CI_COMMAND,
        PRIMARY_ADDRESS,
        PRIMARY_ADDRESS,
        f"{_RECORD}, VIF 7A",
        (Parameter("address", ParameterKind.NUMBER, "primary address", low=1, high=250),),
    ),
    ActionForm("start-radio", CI_COMMAND, RADIO_ON, RADIO_ON, _OWN, fixed=1, expected=(1,)),
    ActionForm("confirm-installation", CI_COMMAND, INSTALLATION, INSTALLATION, _OWN, fixed=1, expected=(1,)),
    ActionForm(
        "pulse-value",
        CI_COMMAND,
        PULSE_VALUE,
        PULSE_VALUE,
        f"{_RECORD}, VIF 13 with VIFE 28",
        (Parameter("litres", ParameterKind.NUMBER, "pulse value", "l", low=1, high=10_000, scale=Decimal("0.001")),),
    ),
    ActionForm(
        "due-date",
        CI_COMMAND,
        DUE_DATE,
        DUE_DATE,
        f"{_RECORD}, VIF 6C of storage 1 with VIFE 7E, type G",
        (Parameter("date", ParameterKind.DATE, "due date"),),
    ),
    ActionForm(
        "radio-interval",
        CI_COMMAND,
        RADIO_INTERVAL,
        RADIO_INTERVAL,
        f"{_RECORD}, VIF FD 3C",
        (Parameter("seconds", ParameterKind.NUMBER, "radio interval", "s", low=2, high=86_400),),
    ),
    ActionForm(
        "radio-profile",
        CI_COMMAND,
        RADIO_PROFILE,
        RADIO_PROFILE,
        _OWN,
        (
            Parameter(
                "profile",
                ParameterKind.CHOICE,
                "radio profile",
                choices=((1, "drive-by"), (2, "fixed-network"), (3, "walk-by")),
            ),
        ),
    ),
    ActionForm("lorawan-join", CI_COMMAND, LORAWAN_STATE, LORAWAN_STATE, _OWN, fixed=1, expected=(JOINING, JOINED)),
    ActionForm("reset-alarms", CI_COMMAND, CLEAR_ERROR_FLAGS, ERROR_FLAGS, f"{_CLEAR}, VIF FD 17", expected=(0,)),
    ActionForm("reset-peaks", CI_COMMAND, CLEAR_PEAK_FLOW, PEAK_FLOW, f"{_CLEAR}, maximum of VIF 3B", expected=(0,)),
    ActionForm("event-log", CI_COMMAND, SELECT_EVENT_LOG, b"", f"EN 13757-3, selection for readout; VIF {_OWN}"),
    ActionForm(
        "change-key",
        CI_COMMAND,
        SECURITY_KEY,
        b"",
        f"{_RECORD}, VIF FD 19; data: RFC 3394 key wrap under the present key",
        (Parameter("wrapped_key", ParameterKind.WRAPPED_KEY, "wrapped key"),),
    ),
    ActionForm(
        "test-mode",
        CI_APPLICATION_SELECT,
        b"",
        SELECTED_APPLICATION,
        "EN 13757-3, application select 9 (testing); the lower four bits as minutes are the simulated meter's own",
        (
            Parameter(
                "minutes",
                ParameterKind.NUMBER,
                "time in test mode (0 ends it)",
                "min",
                low=0,
                high=MOST_TEST_MINUTES,
                default=10,
            ),
        ),
    ),
)

FORMS: Final[dict[str, ActionForm]] = {form.name: form for form in _ROWS}
"""By name of the action. Reading out is not among them: it needs no command."""

BY_HEADER: Final[dict[bytes, ActionForm]] = {form.header: form for form in _ROWS if form.header}
"""By the record header behind CI 51."""
