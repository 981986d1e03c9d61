"""What a LoRaWAN frame says, as JSON: the `lorawan` member of a telegram, and its share of `meter` and `security`."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

from protocols.lorawan.facts import LorawanFacts, MacCommand

_NULL: Final = "null"
_MIC_OK: Final = {None: _NULL, True: "true", False: "false"}

_text = lru_cache(maxsize=4096)(json.dumps)


def lorawan_json(facts: LorawanFacts) -> str:
    """Return the `lorawan` object of a telegram."""
    commands = ", ".join(map(_command, facts.mac_commands))
    plaintext = _NULL if facts.plaintext is None else f'"{facts.plaintext.hex()}"'
    return (
        f'{{"mtype": {_optional(facts.mtype or None)}, "version": {_optional(facts.version)}, '
        f"{identity_json(facts)}, "
        f'"join_eui": {_optional(facts.join_eui)}, "dev_nonce": {_number(facts.dev_nonce)}, '
        f'"join_nonce": {_optional(facts.join_nonce)}, "net_id": {_optional(facts.net_id)}, '
        f'"rejoin_type": {_number(facts.rejoin_type)}, "rj_count": {_number(facts.rj_count)}, '
        f'"rx_delay_s": {_number(facts.rx_delay_s)}, "frequencies_hz": {json.dumps(facts.frequencies_hz)}, '
        f'"channel_masks": {json.dumps(facts.channel_masks)}, '
        f'"fcnt": {_number(facts.fcnt)}, "fcnt_source": {_optional(facts.fcnt_source)}, '
        f'"fport": {_number(facts.fport)}, "flags": {json.dumps(facts.flags)}, "mic_ok": {_MIC_OK[facts.mic_ok]}, '
        f'"plaintext": {plaintext}, "mac_commands": [{commands}], "suggestions": {_suggestions(facts)}}}'
    )


def identity_json(facts: LorawanFacts) -> str:
    """Return the members `dev_eui` and `dev_addr`, without braces."""
    return f'"dev_eui": {_optional(facts.dev_eui)}, "dev_addr": {_optional(facts.dev_addr)}'


def proof_json(facts: LorawanFacts) -> str:
    """Return the members `fcnt` and `mic`, without braces."""
    return f'"fcnt": {_number(facts.fcnt)}, "mic": "{facts.mic}"'


def _command(command: MacCommand) -> str:
    return (
        f'{{"cid": {command.cid}, "name": {_text(command.name)}, "payload": "{command.payload.hex()}", '
        f'"fields": {json.dumps(dict(command.fields))}}}'
    )


def _suggestions(facts: LorawanFacts) -> str:
    return json.dumps([{"profile": profile, "evidence": evidence} for profile, evidence in facts.suggestions])


def _optional(text: str | None) -> str:
    return _NULL if text is None else _text(str(text))


def _number(number: int | None) -> str:
    return _NULL if number is None else str(number)
