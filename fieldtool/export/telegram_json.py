"""A telegram as one line of JSON: the stable contract of `decode`, `listen` and `replay`.

Numbers are written digit by digit: 12.345 stays 12.345, no exponents, whole numbers of any size exact. The text is
plain ASCII, so that no terminal is steered by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final

from fieldtool.export.lorawan_json import identity_json, lorawan_json, proof_json
from protocols.model import Address, Finding, RawFrame, Reading, Security, Status, Telegram, Value, VerdictStep

_NULL: Final = "null"
_BOOLEANS: Final = ("false", "true")
_NO_METER: Final = '{"manufacturer": null, "number": null, "version": null, "medium_code": null, "medium": null'
"""The address of a LoRaWAN device that sends none of M-Bus, without its end."""

_text: Callable[[str], str] = lru_cache(maxsize=4096)(encode_basestring_ascii)


def telegram_json(telegram: Telegram, id_json: str | None = None) -> str:
    """Return one line without its end; `id_json` is the caller's own id, already JSON."""
    ident = "" if id_json is None else f'"id": {id_json}, '
    readings = ", ".join(map(_reading, telegram.readings))
    verdict = ", ".join(map(step_json, telegram.verdict))
    notes = ", ".join(map(_text, telegram.notes))
    return (
        f'{{{ident}"ok": {_BOOLEANS[telegram.ok]}, "outcome": "{telegram.outcome}", '
        f'"problem": {_optional(telegram.problem)}, "verdict": [{verdict}], '
        f'"received": {received_json(telegram.frame)}, "meter": {_of_telegram(telegram)}, '
        f'"link_address": {_meter(telegram.link_address)}, '
        f'"message": {_optional(telegram.message)}, "security": {_proof(telegram)}, '
        f'"status": {status_json(telegram.status)}, "profile": {_optional(telegram.profile)}, '
        f'"readings": [{readings}], "notes": [{notes}], "findings": {findings_json(telegram.findings)}, '
        f'{_of_lorawan(telegram)}"hex": "{telegram.frame.data.hex().upper()}"}}'
    )


def value_json(value: Value) -> str:
    """Return a value as JSON: a number digit by digit, a date in ISO 8601, a text, or null."""
    if value is None:
        return _NULL
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else _NULL
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, date | time):
        return f'"{value.isoformat()}"'
    return _text(value)


def time_json(at: datetime | None) -> str:
    """Return an aware time as UTC with milliseconds and `Z`, or null."""
    if at is None:
        return _NULL
    return f'"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")}Z"'


def _reading(reading: Reading) -> str:
    return (
        f'{{"name": {_text(reading.name)}, "value": {value_json(reading.value)}, "unit": {_text(reading.unit)}, '
        f'"quantity": {_text(reading.quantity)}, "function": "{reading.function}", "storage": {reading.storage}, '
        f'"tariff": {reading.tariff}, "subunit": {reading.subunit}, "source": {_text(reading.source)}, '
        f'"quality": "{reading.quality}"}}'
    )


@lru_cache(maxsize=1024)
def step_json(step: VerdictStep) -> str:
    """Return one rung of the verdict."""
    return (
        f'{{"rung": "{step.rung}", "state": "{step.state}", "detail": {encode_basestring_ascii(step.detail)}, '
        f'"next": {_NULL if step.next is None else encode_basestring_ascii(step.next)}}}'
    )


def received_json(frame: RawFrame) -> str:
    """Return when, where and how strongly a frame was heard."""
    rssi = _NULL if frame.rssi_dbm is None else frame.rssi_dbm
    return (
        f'{{"at": {time_json(frame.at)}, "source": {_text(frame.source)}, "mode": {_optional(frame.mode)}, '
        f'"rssi_dbm": {rssi}}}'
    )


def _of_telegram(telegram: Telegram) -> str:
    """The meter's address; where its maker orders the address bytes differently, with medium and number put right."""
    if telegram.lorawan is not None:
        text = _NO_METER if telegram.meter is None else _meter(telegram.meter)[:-1]
        return f"{text}, {identity_json(telegram.lorawan)}}}"
    if telegram.meter is None or telegram.identity is None:
        return _meter(telegram.meter)
    text = _meter(telegram.meter, telegram.identity.medium)
    return f'{text[:-1]}, "printed_number": {_optional(telegram.printed_number)}}}'


@lru_cache(maxsize=8192)
def _meter(address: Address | None, medium: str | None = None) -> str:
    if address is None:
        return _NULL
    return (
        f'{{"manufacturer": {_text(address.manufacturer)}, "number": {_text(address.number)}, '
        f'"version": {address.version}, "medium_code": {address.medium_code}, '
        f'"medium": {_text(medium or address.medium)}}}'
    )


def _proof(telegram: Telegram) -> str:
    """How the telegram was protected; of a LoRaWAN frame, with its counter and what its MIC proved."""
    text = _security(telegram.security)
    if telegram.lorawan is None or telegram.security is None:
        return text
    return f"{text[:-1]}, {proof_json(telegram.lorawan)}}}"


def _of_lorawan(telegram: Telegram) -> str:
    return "" if telegram.lorawan is None else f'"lorawan": {lorawan_json(telegram.lorawan)}, '


def _security(security: Security | None) -> str:
    if security is None:
        return _NULL
    tried = ", ".join(map(_text, security.tried))
    return (
        f'{{"mode": {_number(security.mode)}, "name": {_text(security.name)}, '
        f'"key_check_value": {_optional(security.key_check_value)}, '
        f'"authenticated": {_BOOLEANS[security.authenticated]}, "access_number": {_number(security.access_number)}, '
        f'"message_counter": {_number(security.message_counter)}, '
        f'"already_decrypted": {_BOOLEANS[security.already_decrypted]}, "tried": [{tried}]}}'
    )


def findings_json(findings: Sequence[Finding]) -> str:
    """Return findings as a list."""
    each = (f'{{"kind": "{finding.kind}", "detail": {_text(finding.detail)}}}' for finding in findings)
    return f"[{', '.join(each)}]"


def status_json(status: Status | None) -> str:
    """Return a status, or null."""
    if status is None:
        return _NULL
    return f'{{"raw": {_number(status.raw)}, "flags": [{", ".join(map(_text, status.flags))}]}}'


def _optional(text: str | None) -> str:
    return _NULL if text is None else _text(text)


def _number(number: int | None) -> str:
    return _NULL if number is None else int.__repr__(number)
