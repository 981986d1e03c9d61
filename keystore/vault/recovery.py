"""The printed recovery key: 160 random bits as eight groups of four characters and a check character.

The alphabet is Crockford's base 32, which has no I, L, O and U. The check character is a sum over GF(32) in which every
place has a weight of its own and the group's place is added: it finds every single wrong character, every swap of two
neighbours and every group in the wrong place, and so names the group to look at again.
"""

from __future__ import annotations

from typing import Final

from keystore.errors import RecoveryKeyMistyped

KEY_BYTES: Final = 20
GROUPS: Final = 8
GROUP_CHARACTERS: Final = 5

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEANT: Final = {"I": "1", "L": "1", "O": "0"}
_SEPARATORS: Final = " -\t"
_DATA_CHARACTERS: Final = GROUP_CHARACTERS - 1
_FIELD_POLYNOMIAL: Final = 0b100101
"""x^5 + x^2 + 1, primitive over GF(2)."""


def format_recovery_key(key: bytes) -> str:
    """Return the printed form of 20 bytes: `XXXXX-XXXXX-...`, eight groups of five characters."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a recovery key has {KEY_BYTES} bytes")
    number = int.from_bytes(key)
    values = [number >> (5 * place) & 31 for place in reversed(range(GROUPS * _DATA_CHARACTERS))]
    groups = [values[start : start + _DATA_CHARACTERS] for start in range(0, len(values), _DATA_CHARACTERS)]
    return "-".join(
        "".join(_ALPHABET[value] for value in (*group, _check(group, place))) for place, group in enumerate(groups)
    )


def is_recovery_key(text: str) -> bool:
    """True for a text that can only be meant as a recovery key: 40 characters of its alphabet."""
    squeezed = _squeeze(text)
    return len(squeezed) == GROUPS * GROUP_CHARACTERS and all(c in _ALPHABET for c in squeezed)


def parse_recovery_key(text: str) -> bytes:
    """Return the 20 bytes of a printed key, in any case and with any separators.

    Raises `RecoveryKeyMistyped`, which names the groups whose check character does not fit.
    """
    squeezed = _squeeze(text)
    if not is_recovery_key(text):
        raise RecoveryKeyMistyped(
            f"a recovery key has {GROUPS} groups of {GROUP_CHARACTERS} letters and digits", "type it as it is printed"
        )
    values = [_ALPHABET.index(character) for character in squeezed]
    groups = [values[start : start + GROUP_CHARACTERS] for start in range(0, len(values), GROUP_CHARACTERS)]
    wrong = [str(place + 1) for place, group in enumerate(groups) if _check(group[:-1], place) != group[-1]]
    if wrong:
        name = "group" if len(wrong) == 1 else "groups"
        raise RecoveryKeyMistyped(f"the recovery key is mistyped in {name} {', '.join(wrong)}", "look at it again")
    number = 0
    for group in groups:
        for value in group[:-1]:
            number = number << 5 | value
    return number.to_bytes(KEY_BYTES)


def _squeeze(text: str) -> str:
    return "".join(_MEANT.get(c, c) for c in text.strip().upper() if c not in _SEPARATORS)


def _check(group: list[int], place: int) -> int:
    total = place
    for power, value in enumerate(group, 1):
        for _ in range(power):
            value <<= 1  # times x in the field
            if value & 32:
                value ^= _FIELD_POLYNOMIAL
        total ^= value
    return total
