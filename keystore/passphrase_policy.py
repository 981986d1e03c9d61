"""How good a passphrase is, told while it is typed: length first, and an estimate of what a guesser needs.

The estimate is the cheapest way to say the text out of known words, runs, repeats, years and single characters, in
bits. It is a floor for advice, not a proof: a line of a song counts as good here and is not.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from protocols.plural import counted

WEAK_BITS: Final = 40.0
"""Below it a stolen store falls to a few rented machines in days, at half a second a guess and a thousand machines."""
GOOD_BITS: Final = 60.0
ADVISED_LENGTH: Final = 15
LONGEST_JUDGED: Final = 256
"""Characters looked at: more adds nothing, and judging must not slow down typing."""

_COMMON_WORDS: Final = (
    *("password", "passwort", "passwd", "passphrase", "kennwort", "geheim", "secret", "admin", "administrator"),
    *("welcome", "willkommen", "hello", "hallo", "login", "letmein", "changeme", "master", "monkey", "dragon"),
    *("qwerty", "qwertz", "qwertyuiop", "qwertzuiop", "asdfgh", "asdfghjkl", "yxcvbnm", "zxcvbnm", "azerty"),
    *("iloveyou", "sunshine", "football", "fussball", "baseball", "princess", "shadow", "superman", "batman"),
    *("summer", "sommer", "winter", "spring", "autumn", "herbst", "january", "januar", "december", "dezember"),
    *("test", "demo", "user", "guest", "root", "default", "start", "computer", "internet", "service", "meter"),
    *("zaehler", "wasser", "water", "strom", "energy", "energie", "keystore", "fieldtool", "kamstrup", "elvaco"),
)
_WORD_BITS: Final = math.log2(len(_COMMON_WORDS)) + 1
_DICTIONARY_WORD_BITS: Final = 11.0
"""A lower-case word of a sentence, as if taken from a list of 2,000: sentences use common words."""
_SEQUENCES: Final = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertzuiop", "qwertyuiop", "asdfghjkl")
_RUN_BITS: Final = 7.0
_REPEAT_BITS: Final = 5.0
_YEAR_BITS: Final = 6.6
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_SEPARATOR: Final = re.compile(r"(?<=\w)[ _.,-](?=\w)")
_SEPARATOR_BITS: Final = 1.0
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_LEET: Final = str.maketrans("013457@$!", "oleastasi")
_CLASSES: Final[dict[str, Callable[[str], bool]]] = {
    "a lower-case letter": str.islower,
    "an upper-case letter": str.isupper,
    "a digit": str.isdigit,
    "a special character": lambda c: not c.isalnum() and not c.isspace(),
}
_POOLS: Final[tuple[tuple[Callable[[str], bool], int], ...]] = ((str.islower, 26), (str.isupper, 26), (str.isdigit, 10))
_OTHER_POOL: Final = 33


class PolicyName(StrEnum):
    """The policies a store can be made with."""

    LENGTH = "length"
    FOUR_CLASSES_8 = "four-classes-8"
    FOUR_CLASSES_12 = "four-classes-12"


@dataclass(frozen=True, slots=True)
class PassphrasePolicy:
    """What is demanded of a passphrase: its least length, and whether all four classes of characters must be in it."""

    name: PolicyName
    least_length: int
    four_classes: bool
    text: str


POLICIES: Final = {
    policy.name: policy
    for policy in (
        PassphrasePolicy(PolicyName.LENGTH, 8, four_classes=False, text="8 characters or more; longer is better"),
        PassphrasePolicy(
            PolicyName.FOUR_CLASSES_8, 8, four_classes=True, text="8 characters of four classes, without your name"
        ),
        PassphrasePolicy(PolicyName.FOUR_CLASSES_12, 12, four_classes=True, text="12 characters of four classes"),
    )
}
"""The second is the rule of Kamstrup's portal, the third that of INTEGRA KMS; both are for organisations that ask."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a passphrase: `missing` is what the policy still wants, empty when it may be used."""

    length: int
    bits: float
    missing: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when the policy allows it."""
        return not self.missing

    @property
    def is_weak(self) -> bool:
        """True when it may be used, but should not."""
        return self.bits < WEAK_BITS

    @property
    def word(self) -> str:
        """The strength in a word."""
        return "weak" if self.is_weak else "fair" if self.bits < GOOD_BITS else "good"

    @property
    def line(self) -> str:
        """The judgement in a line that shows nothing of the passphrase but its length."""
        parts = [counted(self.length, "character"), self.word]
        if self.missing:
            parts.append(f"still needs {', '.join(self.missing)}")
        elif self.is_weak:
            parts.append("make it longer, four or more unrelated words")
        return " · ".join(parts)


def judge(passphrase: str, policy: PassphrasePolicy, names: tuple[str, ...] = ()) -> Judgement:
    """Judge a passphrase by a policy; `names` are the user's own, which the four-class rules do not allow in it."""
    text = unicodedata.normalize("NFC", passphrase)
    missing: list[str] = []
    if len(text) < policy.least_length:
        lacking = policy.least_length - len(text)
        missing.append(counted(lacking, "more character"))
    if policy.four_classes:
        missing += [name for name, has in _CLASSES.items() if not any(has(c) for c in text)]
        folded = text.casefold()
        if any(len(name) >= 3 and name.casefold() in folded for name in names):
            missing.append("to do without your name")
    if len(set(text)) < min(4, policy.least_length):
        missing.append("more different characters")
    return Judgement(len(text), estimate_bits(text), tuple(missing))


def estimate_bits(text: str) -> float:
    """Return the least number of bits in which a guesser can say the text, over all ways to cut it into known parts."""
    text = text[:LONGEST_JUDGED]
    best = [0.0] + [math.inf] * len(text)
    parts: dict[int, list[tuple[int, float]]] = {}
    for start, end, bits in _parts(text):
        parts.setdefault(end, []).append((start, bits))
    single = math.log2(_pool(text)) if text else 0.0
    for end in range(1, len(text) + 1):
        best[end] = best[end - 1] + single
        for start, bits in parts.get(end, ()):
            best[end] = min(best[end], best[start] + bits)
    return round(best[-1], 1)


def _parts(text: str) -> Iterator[tuple[int, int, float]]:
    """Yield (start, end, bits) of everything in the text that a guesser tries as one."""
    folded = text.casefold() if len(text.casefold()) == len(text) else text
    plain = folded.translate(_LEET)
    for form in {folded, plain}:
        for word in _COMMON_WORDS:
            at = form.find(word)
            while at >= 0:
                yield at, at + len(word), _WORD_BITS + (0 if text[at : at + len(word)] == word else 1.5)
                at = form.find(word, at + 1)
    for match in _WORD.finditer(text):
        capital = 0 if match[0].islower() else 1 if match[0].istitle() else len(match[0])
        yield match.start(), match.end(), _DICTIONARY_WORD_BITS + capital
    for match in _SEPARATOR.finditer(text):
        yield match.start(), match.end(), _SEPARATOR_BITS
    for match in _YEAR.finditer(text):
        yield match.start(), match.end(), _YEAR_BITS
    yield from _runs(folded)
    yield from _repeats(text)


def _runs(text: str) -> Iterator[tuple[int, int, float]]:
    for row in (*_SEQUENCES, *(sequence[::-1] for sequence in _SEQUENCES)):
        start = 0
        while start < len(text) - 2:
            end = start + 1
            while end < len(text) and text[start : end + 1] in row:
                end += 1
            if end - start >= 3:
                yield start, end, _RUN_BITS
            start = max(end, start + 1)


def _repeats(text: str) -> Iterator[tuple[int, int, float]]:
    for match in re.finditer(r"(.{1,8}?)\1+", text):
        yield match.start(), match.end(), _REPEAT_BITS + math.log2(_pool(match[1])) * len(match[1])


def _pool(text: str) -> int:
    size = sum(count for has, count in _POOLS if any(has(c) for c in text))
    return size + (_OTHER_POOL if any(not c.isalnum() for c in text) else 0) or _OTHER_POOL
