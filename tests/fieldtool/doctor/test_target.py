"""What is named to the doctor and to probing: a port, or a receiver by its address."""

from __future__ import annotations

import pytest

from fieldtool.doctor.target import Target, target_of
from fieldtool.errors import UsageError
from protocols.receivers.registry import REGISTRY, receiver


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("COM3", Target("COM3")),
        ("/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", None),
        ("socket://127.0.0.1:4001", None),
        ("rfc2217://gateway:2217", None),
        ("im871a:///dev/ttyUSB0?mode=s1", Target("/dev/ttyUSB0", "im871a", "s1")),
        ("cul+socket://gateway:4001", Target("socket://gateway:4001", "cul")),
        ("gwmp://127.0.0.1:1700", Target(url="gwmp://127.0.0.1:1700")),
    ],
)
def test_what_is_named_is_taken_apart(text: str, target: Target | None) -> None:
    assert target_of(text) == (target or Target(text))


@pytest.mark.parametrize(
    "text", ["", " ", "im871a:///dev/ttyUSB0?mode=x9", "file:capture.hex", "imm871a:///dev/x", "im871a:"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        target_of(text)


def test_the_named_kind_is_asked_first_and_in_its_mode() -> None:
    target = target_of("cul+socket://gateway:4001?mode=t1")
    assert target.kinds[0] == "cul"
    assert sorted(target.kinds) == sorted(REGISTRY)
    assert target.mode_of(receiver("cul")) == "t1"
    assert target.mode_of(receiver("im871a")) == receiver("im871a").DEFAULT_MODE
    assert target.url_of("cul", "t1") == "cul+socket://gateway:4001?mode=t1"


def test_a_path_with_odd_characters_comes_back_from_its_address() -> None:
    assert target_of(Target("/dev/odd?name%20").url_of("im871a", "t1")).port == "/dev/odd?name%20"
