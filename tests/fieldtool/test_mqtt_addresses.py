"""MQTT addresses, users and passwords: what is taken, what is refused, and what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldtool.errors import ConfigError, UsageError
from fieldtool.sources.events import SourceState
from fieldtool.sources.mqtt import MqttSource
from fieldtool.sources.mqtt_address import PASSWORD_FILE_VARIABLE, parse_address
from fieldtool.sources.registry import OPTIONS, SOURCES, open_source
from fieldtool.sources.url import parse_url
from simulators.mqtt.session import Rules
from tests.fieldtool.conftest import Run
from tests.fieldtool.mqtt_bench import PASSWORD, Ear, broker, wait_for


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "broker-password"
    path.write_text(f"{PASSWORD}\n")
    return path


def test_user_and_password(password_file: Path) -> None:
    with broker(rules=Rules(users={"app@tenant": PASSWORD})) as bench:
        for user in ("app@tenant", "app%40tenant"):
            with Ear(f"mqtt://{user}@{bench.at}?password-file={password_file}") as ear:
                ear.until(ear.told)
            assert ear.states == [SourceState.CONNECTED]
            assert "unencrypted" not in ear.events[0].detail


@pytest.mark.parametrize(
    ("user", "detail", "hint"),
    [
        ("app@tenant@", "user or password is wrong", "check the user in the address and the password in the file"),
        ("", "a user is required", "write the user before it, mqtt://USER@127.0.0.1:"),
    ],
)
def test_a_wrong_password_is_final(tmp_path: Path, user: str, detail: str, hint: str) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(f"{PASSWORD}-wrong")
    option = f"?password-file={wrong}" if user else ""
    rules = Rules(users={"app@tenant": PASSWORD})
    with broker(rules=rules) as bench, Ear(f"mqtt://{user}{bench.at}{option}") as ear:
        ear.until(ear.told)
        wait_for(lambda: ear.listening.drained)
    (event,) = ear.events
    assert (event.state, event.final) == (SourceState.FAILED, True)
    assert detail in event.detail
    assert hint in event.hint
    assert PASSWORD not in event.detail + event.hint


@pytest.mark.parametrize(
    ("text", "host", "port", "user", "topics"),
    [
        ("mqtt://broker", "broker", 1883, None, 4),
        ("mqtts://broker", "broker", 8883, None, 4),
        ("mqtts://app@ttn@eu1.example:8883/v3/app@ttn/devices/+/up", "eu1.example", 8883, "app@ttn", 1),
        ("mqtt://app%40ttn@eu1.example/a/%23,b/+", "eu1.example", 1883, "app@ttn", 2),
        ("mqtt://127.0.0.1:18830/v3/a@b/#?qos=1", "127.0.0.1", 18830, None, 1),
        ("mqtt://[::1]:1884/#", "::1", 1884, None, 1),
        ("mqtt://[::1]", "::1", 1883, None, 4),
    ],
)
def test_addresses(text: str, host: str, port: int, user: str | None, topics: int) -> None:
    address = parse_address(parse_url(text, tuple(SOURCES), OPTIONS))
    assert (address.host, address.port, address.user, len(address.topics)) == (host, port, user, topics)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("mqtt://", "names no"),
        ("mqtt:///topic", "names no broker"),
        ("mqtt://h:x/topic", "no port number"),
        ("mqtt://h:70000", "no port number"),
        ("mqtt://h/a#", "not an MQTT topic"),
        ("mqtt://h/a/#/b", "not an MQTT topic"),
        ("mqtt://h/a+", "not an MQTT topic"),
        ("mqtt://h/a,", "not an MQTT topic"),
        ("mqtt://h?qos=2", "qos is 0 or 1"),
        ("mqtt://h?ca=x", "unknown option 'ca'"),
    ],
)
def test_addresses_that_are_none(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        open_source(text)


@pytest.mark.parametrize(
    "address",
    [
        "mqtt://user:{}@host",
        "mqtts://user:{}@host:8883/topic?qos=1",
        "mqtts://app@tenant:{}@host:8883/topic",
        "mqtt://:{}@host",
        "mqtt://user:{}",
        "mqtt://user:12/{}@host",
        "mqtt://user:{}/x@host/topic",
        "mqtx://user:{}@host",
        "gwmp://user:{}@host",
        "mqtt://user@host?password={}",
        "mqtt://user@host?qos=1&pw={}",
        "mqtt://user@host?password-file=x&token={}",
        "sim:demo?speed=1&secret={}",
    ],
)
def test_a_password_in_an_address_is_refused_and_never_repeated(run: Run, address: str) -> None:
    ran = run("--verbose", "listen", address.format(PASSWORD), "--seconds", "1")
    assert ran.code == 2
    assert PASSWORD not in ran.out + ran.err


def test_the_password_is_shown_nowhere(run: Run, password_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with broker(rules=Rules(users={"ann": PASSWORD}), speed=50.0) as bench:
        url = f"mqtt://ann@{bench.at}"
        ran = run("--verbose", "listen", url, "--json", "--seconds", "3", "--mqtt-password-file", password_file)
        monkeypatch.setenv(PASSWORD_FILE_VARIABLE, str(password_file))
        with Ear(url) as ear:
            ear.until(lambda: ear.telegrams)
    assert ran.code == 0
    assert "connected: 127.0.0.1" in ran.err
    assert PASSWORD not in ran.out + ran.err + repr(ear.events) + repr(ear.telegrams)


def test_values_that_carry_the_password_do_not_show_it(password_file: Path) -> None:
    url = parse_url(f"mqtt://ann@h?password-file={password_file}", tuple(SOURCES), OPTIONS)
    source = open_source(f"mqtt://ann@h?password-file={password_file}")
    assert isinstance(source, MqttSource)
    assert PASSWORD not in repr(source) + repr(url) + source.name + repr(Rules(users={"ann": PASSWORD}))


@pytest.mark.parametrize(
    ("content", "user", "what"),
    [(None, "ann@", "No such file"), (b"", "ann@", "is empty"), (b"\xff", "ann@", "not UTF-8"), (b"x", "", "a user")],
)
def test_password_files_that_cannot_be_used(tmp_path: Path, content: bytes | None, user: str, what: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=what):
        open_source(f"mqtt://{user}h", defaults={"password-file": str(path)})


def test_a_probe_says_what_it_is_subscribed_to(run: Run, password_file: Path) -> None:
    with broker(rules=Rules(users={"ann": PASSWORD})) as bench:
        ran = run("receivers", "probe", f"mqtt://ann@{bench.at}/a/%23", "--mqtt-password-file", password_file)
    assert ran.code == 0
    assert "subscribed to a/#" in ran.out
