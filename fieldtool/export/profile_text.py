"""A meter profile for people and for programs: which meters it is for, and what it makes of their records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from protocols.media import medium_name
from protocols.model import Function
from protocols.profiles.model import Match, PayloadRule, Profile, ReadingRule, Selector, StatusRule
from protocols.text import safe_text
from protocols.units import unit_symbol

_NAME_WIDTH = 44
_SELECTOR_WIDTH = 32


def profile_line(profile: Profile) -> str:
    """Return one line: name, manufacturers, number of readings, title."""
    makers = " ".join(sorted({match.manufacturer for match in profile.matches}))
    return f"{safe_text(profile.name):30}{makers:20}{len(profile.readings):4} readings  {safe_text(profile.title)}"


def profile_lines(profile: Profile, file: str = "") -> Iterator[str]:
    """Yield what a person wants to know of a profile; `file` is where it was read from when it is a user's own."""
    yield f"{safe_text(profile.name)}: {safe_text(profile.title)}"
    if file:
        yield f"  from {safe_text(file)}"
    yield ""
    yield "meters"
    yield from (f"  {_match_words(match)}" for match in profile.matches)
    if profile.readings or profile.codes:
        yield ""
        yield "readings"
    yield from map(_reading_line, profile.readings)
    for code in profile.codes:
        values = ", ".join(f"{number} {word}" for number, word in code.values.items())
        yield f"  {safe_text(code.name):{_NAME_WIDTH}}{selector_words(code.selector)}, mask 0x{code.mask:X}: {values}"
    if profile.payloads:
        yield ""
        yield "payloads of the maker's own"
        yield from (f"  {payload.decoder:{_NAME_WIDTH}}{_payload_words(payload)}" for payload in profile.payloads)
    if profile.statuses or profile.transport_bits:
        yield ""
        yield "status flags"
    for bit, flag in sorted((profile.transport_bits or {}).items()):
        yield f"  {f'bit {bit} of the status byte':{_NAME_WIDTH}}{safe_text(flag)}"
    for status in profile.statuses:
        yield from _status_lines(status)


def profile_json(profile: Profile, file: str = "") -> dict[str, object]:
    """Return a profile as an object for JSON: `readings` with their selectors, `status` by bit."""
    return {
        **profile_summary(profile, file),
        "readings": [
            *(
                _rule_json(rule.name, rule.selector, info=rule.info, unit=rule.unit, also=rule.also)
                for rule in profile.readings
            ),
            *(
                _rule_json(code.name, code.selector, mask=code.mask, values=_numbered(code.values))
                for code in profile.codes
            ),
        ],
        "payloads": [
            {"decoder": payload.decoder, "where": payload.where, "record": payload.record}
            for payload in profile.payloads
        ],
        "status": [
            {
                **_selector_json(status.selector),
                "mask": status.mask,
                "bits": _numbered(status.bits),
                "values": None if status.values is None else _numbered(status.values),
            }
            for status in profile.statuses
        ],
        "transport_status": _numbered(profile.transport_bits or {}),
    }


def profile_summary(profile: Profile, file: str = "") -> dict[str, object]:
    """Return what identifies a profile as an object for JSON; `readings` is their number."""
    return {
        "name": profile.name,
        "title": profile.title,
        "file": file or None,
        "meters": [
            {"manufacturer": m.manufacturer, "versions": sorted(m.versions), "media": sorted(m.media)}
            for m in profile.matches
        ],
        "readings": len(profile.readings) + len(profile.codes),
    }


def selector_words(selector: Selector) -> str:
    """Return which record a rule means: `volume, storage 1, maximum`."""
    words = [f"record {selector.header}" if selector.header is not None else (selector.quantity or "")]
    if selector.function is not Function.INSTANTANEOUS:
        words.append(str(selector.function))
    places = (("storage", selector.storages), ("tariff", selector.tariffs), ("subunit", selector.subunits))
    words += [f"{word} {_numbers(numbers)}" for word, numbers in places if tuple(numbers[:2]) != (0,)]
    words += [modifier.replace("_", " ") for modifier in selector.modifiers]
    if selector.occurrence > 1:
        words.append(f"occurrence {selector.occurrence}")
    return safe_text(", ".join(words))


def _reading_line(rule: ReadingRule) -> str:
    unit = f" in {unit_symbol(rule.unit)}" if rule.unit else ""
    scale = f" x {rule.scale}" if rule.scale is not None else ""
    also = " (also)" if rule.also else ""
    where = f"{selector_words(rule.selector)}{scale}{unit}{also}"
    return safe_text(f"  {rule.name:{_NAME_WIDTH}}{where:{_SELECTOR_WIDTH}}  {rule.info}").rstrip()


def _match_words(match: Match) -> str:
    versions = " ".join(f"{version:02X}" for version in sorted(match.versions)) or "any"
    media = (
        ", ".join(f"{medium:02X} {medium_name(medium, match.manufacturer)}" for medium in sorted(match.media)) or "any"
    )
    return f"{match.manufacturer}  version {versions}  medium {media}"


def _payload_words(payload: PayloadRule) -> str:
    return f"record {payload.record}" if payload.where is None else str(payload.where)


def _status_lines(status: StatusRule) -> Iterator[str]:
    where = selector_words(status.selector)
    if status.values is not None:
        for number, flag in sorted(status.values.items()):
            yield f"  {f'{where}, mask 0x{status.mask:X} is {number}':{_NAME_WIDTH}}{safe_text(flag)}"
        return
    if not status.bits:
        yield f"  {f'{where}, mask 0x{status.mask:X}':{_NAME_WIDTH}}bits without names"
    for bit, flag in sorted(status.bits.items()):
        yield f"  {f'{where}, bit {bit}':{_NAME_WIDTH}}{safe_text(flag)}"


def _rule_json(name: str, selector: Selector, **more: object) -> dict[str, object]:
    return {"name": name, **_selector_json(selector), **more}


def _selector_json(selector: Selector) -> dict[str, object]:
    if selector.header is not None:
        return {"header": selector.header, "occurrence": selector.occurrence}
    return {
        "quantity": selector.quantity,
        "function": str(selector.function),
        "storage": _numbers(selector.storages),
        "tariff": _numbers(selector.tariffs),
        "subunit": _numbers(selector.subunits),
        "modifiers": list(selector.modifiers),
        "occurrence": selector.occurrence,
    }


def _numbered(names: Mapping[int, str]) -> dict[str, str]:
    return {str(number): name for number, name in sorted(names.items())}


def _numbers(numbers: Sequence[int]) -> str:
    """A range as it is written in a profile, other numbers with commas."""
    if isinstance(numbers, range):
        first = str(numbers.start) if numbers.step == 1 else f"{numbers.start},{numbers.start + numbers.step}"
        return f"{first}..{numbers.stop - 1}"
    return ",".join(map(str, numbers))
