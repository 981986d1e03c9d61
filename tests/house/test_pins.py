"""Everything that is installed has one pinned version, the same on every machine."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"^[A-Za-z0-9][\w.-]*==[\w.]+(?:; .+)?$")


def pin_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins_here() -> dict[str, Requirement]:
    """Pins that hold on this platform, by canonical name."""
    pins = [Requirement(line) for line in pin_lines()]
    return {canonicalize_name(pin.name): pin for pin in pins if pin.marker is None or pin.marker.evaluate()}


def asked_for() -> list[Requirement]:
    project = PROJECT["project"]
    optional = project["optional-dependencies"]
    extras = [text for texts in optional.values() for text in texts]
    found = [Requirement(text) for text in [*project["dependencies"], *extras]]
    return [requirement for requirement in found if requirement.name != project["name"]]


def installed_with(wanted: list[Requirement]) -> dict[str, str]:
    """Installed versions of requirements and of all that these require in turn, by canonical name."""
    versions: dict[str, str] = {}
    queue = [(requirement, "") for requirement in wanted]
    seen = set()
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if (name, extra, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, extra, frozenset(requirement.extras)))
        found = distribution(name)
        versions[name] = found.version
        for text in found.requires or []:
            queue += [(Requirement(text), wanted_extra) for wanted_extra in ("", *requirement.extras)]
    return versions


def test_every_line_is_one_exact_version() -> None:
    assert [line for line in pin_lines() if not PIN.match(line)] == []


def test_everything_installed_is_pinned_to_the_version_installed() -> None:
    pins = pins_here()
    installed = installed_with(asked_for())
    assert sorted(set(installed) - set(pins)) == []
    assert {name: v for name, v in installed.items() if not pins[name].specifier.contains(v)} == {}


def test_the_pins_satisfy_what_the_project_asks_for() -> None:
    pins = pins_here()
    for wanted in asked_for():
        (pinned,) = pins[canonicalize_name(wanted.name)].specifier
        assert wanted.specifier.contains(pinned.version), wanted.name


def test_the_build_backend_is_pinned_alike_in_both_files() -> None:
    (asked,) = (Requirement(text) for text in PROJECT["build-system"]["requires"])
    assert pins_here()[canonicalize_name(asked.name)].specifier == asked.specifier


@pytest.mark.parametrize(
    ("system", "machine", "version"),
    [
        ("Darwin", "x86_64", "48.0.1"),
        ("Darwin", "arm64", "50.0.2"),
        ("Linux", "x86_64", "50.0.2"),
        ("Windows", "AMD64", "50.0.2"),
    ],
)
def test_each_platform_gets_one_cryptography_that_has_a_wheel_for_it(system: str, machine: str, version: str) -> None:
    here = {"platform_system": system, "platform_machine": machine}
    pins = [Requirement(line) for line in pin_lines()]
    held = [
        str(pin.specifier)
        for pin in pins
        if pin.name == "cryptography" and (pin.marker is None or pin.marker.evaluate(here))
    ]
    assert held == [f"=={version}"]


def test_an_unknown_requirement_is_not_passed_over() -> None:
    with pytest.raises(PackageNotFoundError):
        installed_with([Requirement("no-such-distribution-of-any-kind")])
