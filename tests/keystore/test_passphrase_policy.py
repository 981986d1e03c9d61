"""What is said of a passphrase while it is typed: what its policy still wants, and how long it would last."""

from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystore.passphrase_policy import GOOD_BITS, POLICIES, WEAK_BITS, PolicyName, estimate_bits, judge

LENGTH = POLICIES[PolicyName.LENGTH]
EIGHT = POLICIES[PolicyName.FOUR_CLASSES_8]
TWELVE = POLICIES[PolicyName.FOUR_CLASSES_12]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ("8 more characters", "more different characters")),
        ("seven-7", ("1 more character",)),
        ("aaaaaaaaaaaa", ("more different characters",)),
        ("eight-ch", ()),
        ("correct horse battery staple", ()),
        ("Zähler🔑äöü", ()),
    ],
)
def test_length_comes_first(text: str, missing: tuple[str, ...]) -> None:
    assert judge(text, LENGTH).missing == missing


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Abcdef1!", ()),
        ("abcdef1!", ("an upper-case letter",)),
        ("ABCDEF1!", ("a lower-case letter",)),
        ("Abcdefg!", ("a digit",)),
        ("Abcdefg1", ("a special character",)),
        ("Abcdefg 1", ("a special character",)),
        ("Anna-2026", ("to do without your name",)),
        ("xX1!anNa-", ("to do without your name",)),
    ],
)
def test_the_rule_of_eight_characters_of_four_classes(text: str, missing: tuple[str, ...]) -> None:
    assert judge(text, EIGHT, ("anna", "")).missing == missing


def test_the_rule_of_twelve_characters_of_four_classes() -> None:
    assert judge("Abcdefghij1!", TWELVE).ok
    assert judge("Abcdefghi1!", TWELVE).missing == ("1 more character",)


@pytest.mark.parametrize(
    "text",
    [
        "password",
        "Passwort1",
        "P4ssw0rt!",
        "qwertz123",
        "12345678",
        "87654321",
        "Sommer2026!",
        "kamstrup1",
        "abcabcabc",
    ],
)
def test_what_everybody_tries_first_is_weak(text: str) -> None:
    judgement = judge(text, LENGTH)
    assert judgement.is_weak
    assert judgement.bits < 30
    assert "make it longer" in judgement.line or judgement.missing


@pytest.mark.parametrize(
    "text", ["correct horse battery staple", "four words of nonsense", "mX7#qLw2", "kelp-anvil-drizzle-mosaic-tundra"]
)
def test_words_that_do_not_belong_together_are_not_weak(text: str) -> None:
    assert judge(text, LENGTH).bits >= WEAK_BITS


def test_longer_is_better() -> None:
    words = ["anvil", "kelp", "mosaic", "tundra", "drizzle", "walnut"]
    bits = [estimate_bits(" ".join(words[:count])) for count in range(1, 7)]
    assert bits == sorted(set(bits))
    assert bits[-1] > GOOD_BITS
    assert judge(" ".join(words), LENGTH).word == "good"


@given(st.text(max_size=80))
def test_any_text_is_judged_and_nothing_of_it_is_shown(text: str) -> None:
    for policy in POLICIES.values():
        judgement = judge(text, policy)
        assert judgement.bits >= 0
        assert set(judgement.line) <= set(string.ascii_letters + string.digits + " ·,-")


def test_judging_a_very_long_text_takes_no_time() -> None:
    text = "".join(itertools.islice(itertools.cycle("abcdefgh password 2026 "), 100_000))
    assert judge(text, LENGTH).ok
