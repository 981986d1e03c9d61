"""Fuzz the decoder led by coverage, with atheris; not a test, and atheris is no dependency (docs/fuzzing.md).

    python -m tests.fuzz.coverage_guided [FOLDER] [-max_total_time=600] [-runs=N]

What libFuzzer finds worth keeping goes to FOLDER, when one is given. The first byte of an input says how it becomes
a frame, the rest is mutated freely: as received, behind a link header with a right length, as records behind a clear
header of a claimed meter, and encrypted under the key that the decoder has.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["protocols", "fieldtool.export"]):
    from fieldtool.export.explain import explain
    from fieldtool.export.telegram_json import telegram_json
    from protocols.decode import decode
    from protocols.model import Address, Key
    from protocols.profiles.index import claims_of
    from protocols.profiles.registry import shipped_profiles
    from protocols.wmbus.ci import Content
    from protocols.wmbus.encode import (
        TransportHeader,
        extended_link_session,
        link_frame,
        session_number,
        transport_clear,
        transport_mode_5,
    )

KEY = bytes(range(1, 17))
LONGEST_RECORDS = 200


def _addresses() -> list[Address]:
    return [
        Address.of(claim.manufacturer, "40302010", claim.version or 0, claim.medium or 7)
        for profile in shipped_profiles().profiles.values()
        for claim in claims_of(profile)
    ]


ADDRESSES = _addresses()


def frame_of(data: bytes) -> bytes:
    """Turn an input into a frame."""
    if len(data) < 4 or data[0] < 64:
        return data[1:]
    sender = ADDRESSES[(data[1] | data[2] << 8) % len(ADDRESSES)]
    rest, header = data[3 : 3 + LONGEST_RECORDS], TransportHeader(7, 0)
    if data[0] < 128:
        return link_frame(0x44, sender, rest)
    if data[0] < 192:
        content = Content.RECORDS if data[0] < 176 else Content.COMPACT
        return link_frame(0x44, sender, transport_clear(content, rest, header))
    if data[0] < 224:
        return link_frame(0x44, sender, transport_mode_5(Content.RECORDS, rest, header, key=KEY, sender=sender))
    number = session_number(1, 1000, encrypted=True)
    return link_frame(0x44, sender, extended_link_session(0x20, 7, number, rest, sender=sender, key=KEY))


def one_input(data: bytes) -> None:
    """Decode and print; what raises is a finding."""
    telegram = decode(frame_of(data), lambda _: (Key(KEY),))
    position = 0
    for span in telegram.spans:
        if span.start != position or span.end <= span.start:
            raise RuntimeError(f"span {span.start}-{span.end} follows {position}")
        position = span.end
    if position != len(telegram.data):
        raise RuntimeError(f"spans end at {position} of {len(telegram.data)}")
    telegram_json(telegram)
    explain(telegram)


def main(arguments: list[str]) -> None:
    """Run until a limit of the arguments, or a finding."""
    atheris.Setup(arguments, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
