"""`certs` and `simulate desk`: the whole way by command line, refusals with their reasons, and no secret anywhere."""

from __future__ import annotations

import json
import re
import shlex
import stat
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from keystore.certificates.certificate_store import CertificateStore
from keystore.certificates.payload import PayloadKind, write_payload
from keystore.certificates.picture import write_picture
from keystore.certificates.wallet import Wallet
from keystore.vault import KdfParameters, Vault
from tests.fieldtool.conftest import Ran, Run

PASSPHRASE = "four words and a number 4"
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
ORGANISATION = "Stadtwerke Nord"


@dataclass
class Office:
    """A store, a desk, and a clock that both look at."""

    run: Run
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    said: list[str]

    def at(self, moment: datetime) -> None:
        self.monkeypatch.setattr("fieldtool.enrolment.now", lambda: moment)

    def do(self, *argv: str | Path, code: int = 0, stdin: bytes = b"") -> Ran:
        ran = self.run(*argv, stdin=stdin)
        self.said += [ran.out, ran.err]
        assert ran.code == code, ran.out + ran.err
        assert "Traceback" not in ran.err
        return ran

    def desk(self, *argv: str | Path, code: int = 0) -> dict[str, str]:
        what, *rest = argv
        ran = self.do("simulate", "desk", what, "--folder", self.folder / "desk", "--json", *rest, code=code)
        return {} if code else json.loads(ran.lines[0])

    def order(self, level: str, *more: str) -> str:
        return self.desk("order", "--organisation", ORGANISATION, "--level", level, *more)["token"]

    def request(self, token: str, tag: str) -> dict[str, str]:
        ran = self.do("certs", "request", token, "--tag", tag, "--out", self.folder / "out", "--json")
        facts: dict[str, str] = json.loads(ran.out)
        return facts

    def enrol(self, level: str, tag: str, *more: str) -> dict[str, str]:
        request = self.request(self.order(level), tag)
        answer = self.desk("answer", request["mail"])
        self.do("certs", "import", answer["code"], *more)
        return answer

    def standing(self) -> dict[str, object]:
        shown = json.loads(self.do("certs", "show", "--json").out)
        found: dict[str, object] = shown["standing"]
        return found

    @property
    def wallet(self) -> Wallet:
        with Vault.open(self.folder / "keys.vault") as vault:
            vault.unlock(PASSPHRASE)
            return CertificateStore(vault.documents).load()


@pytest.fixture
def bare(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """An empty store, and no desk."""
    monkeypatch.setattr("keystore.vault.kdf.calibrate", lambda: KdfParameters(64, 1, 1))
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    monkeypatch.setenv("FIELDTOOL_STORE", str(tmp_path / "keys.vault"))
    monkeypatch.setenv("FIELDTOOL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    office = Office(run, tmp_path, monkeypatch, [])
    office.at(START)
    office.do("store", "create")
    return office


@pytest.fixture
def office(bare: Office) -> Office:
    """A desk, trusted by the store."""
    made = bare.desk("create")
    bare.do("certs", "trust", made["anchor"], "--fingerprint", made["fingerprint"])
    bare.said.clear()
    return bare


def test_the_whole_story_from_a_clean_start(bare: Office) -> None:
    office = bare
    made = office.desk("create")
    assert "no certificate is in use" in office.do("certs", "list").err
    office.do("certs", "trust", made["code"], "--fingerprint", made["fingerprint"].upper())

    token = office.order("installer")
    request = office.request(token, "anna-laptop")
    assert (request["organisation"], request["level"], request["order"]) == (ORGANISATION, "Installer", "2026-0001")
    assert "waiting for an answer: anna-laptop, Installer" in office.do("certs", "list").out

    answer = office.desk("answer", request["mail"])
    assert Path(answer["code"]).name == "Stadtwerke Nord_Installer_anna-laptop.jpg"
    imported = office.do("certs", "import", answer["code"])
    assert "Installer for Stadtwerke Nord, all meters, until 2027-11-20" in imported.out
    assert "level Installer, certificate anna-laptop, 365 days left" in imported.out

    shown = office.do("certs", "show").out
    assert re.search(r"^may      clock ", shown, re.MULTILINE)
    assert re.search(r"^may not  change-key ", shown, re.MULTILINE)
    assert office.standing()["level"] == "Installer"

    office.enrol("service", "anna-service")
    assert "change-key" in str(office.standing()["actions"])
    listed = [json.loads(line) for line in office.do("certs", "list", "--json").lines]
    assert [(one["tag"], one["level"], one["active"]) for one in listed] == [
        ("anna-laptop", "Installer", False),
        ("anna-service", "Service", True),
    ]

    office.desk("revoke", "anna-service")
    office.do("certs", "revocations", office.desk("revocations")["code"])
    assert office.standing()["level"] == "Consumer"
    office.do("certs", "use", "anna-laptop")
    assert office.standing()["level"] == "Installer"

    log = office.do("audit", "list").out
    events = [
        *("anchor_installed", "certificate_requested", "certificate_imported", "level_changed", "revocations_imported"),
    ]
    assert all(event in log for event in events)
    office.do("audit", "verify")
    office.do("store", "verify")


def test_nothing_that_is_said_or_written_holds_a_secret(office: Office) -> None:
    request = office.request(office.order("service"), "anna")
    waiting = office.wallet.requests[0]
    answer = office.desk("answer", request["request"])
    office.do("--verbose", "certs", "import", answer["mail"])
    office.do("certs", "import", answer["file"], code=4)
    for command in (["list"], ["list", "--json"], ["show"], ["show", "--json"], ["trust"], ["revocations"], ["clock"]):
        office.do("certs", *command)
    office.do("audit", "list")
    office.desk("list")
    private = waiting.key.open().private_numbers().private_value.to_bytes(32)
    needles = [private.hex(), repr(private)[2:-1], waiting.token.secret.hex(), repr(waiting.token.secret)[2:-1]]
    said = "\n".join(office.said).casefold()
    assert [number for number, needle in enumerate(needles) if needle.casefold() in said] == []
    written = [path.read_bytes() for path in office.folder.rglob("*") if path.is_file()]
    assert not any(private in data or private.hex().encode() in data.lower() for data in written)
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in (office.folder / "out").iterdir())
    assert waiting.token.secret.hex() not in (office.folder / "desk" / "desk.json").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such modes there")
def test_what_is_written_is_for_the_user_alone(office: Office) -> None:
    request = office.request(office.order("installer"), "anna")
    office.desk("answer", request["mail"])
    for path in (office.folder / "desk", office.folder / "out"):
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.rglob("*") if one.is_file()}
        assert set(modes.values()) == {0o600}, modes


def test_the_draft_is_addressed_as_the_token_says(bare: Office) -> None:
    bare.desk("create", "--address", "certs@utility.example")
    request = bare.request(bare.order("installer"), "anna")
    draft = Path(request["mail"]).read_text()
    assert "To: certs@utility.example" in draft
    assert "X-Unsent: 1" in draft
    assert request["send_to"] == "certs@utility.example"


@pytest.mark.parametrize("form", ["code", "file", "mail", "text", "pipe"])
def test_a_certificate_comes_in_every_form(office: Office, form: str) -> None:
    request = office.request(office.order("commissioner"), "anna")
    answer = office.desk("answer", request["picture"])
    certificate, issuer = Path(answer["file"]).read_text().split("-----END CERTIFICATE-----\n")[:2]
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    end = "-----END CERTIFICATE-----\n"
    der = b"".join(
        load_pem_x509_certificate((part + end).encode()).public_bytes(Encoding.DER) for part in (certificate, issuer)
    )
    text = write_payload(PayloadKind.CERTIFICATE, der)
    if form == "text":
        office.do("certs", "import", text)
    elif form == "pipe":
        (office.folder / "answer.cer").write_bytes(der)
        office.do("certs", "import", "-", stdin=der)
    else:
        office.do("certs", "import", answer[form])
    assert office.standing()["level"] == "Commissioner"


def test_a_lost_draft_is_written_again(office: Office) -> None:
    token = office.order("installer")
    first = office.request(token, "anna")
    Path(first["request"]).unlink()
    again = json.loads(office.do("certs", "request", token, "--out", office.folder / "out", "--json").out)
    assert again == first
    assert len(office.wallet.requests) == 1


REFUSALS = {
    "a foreign picture": "no QR code can be read in the picture",
    "no such file": "No such file",
    "not trusted": "no installed trust anchor vouches for",
    "no request": "no request of this store is waiting for this certificate",
    "already there": "this certificate is in the store already",
    "a token": "this is a token for a request, not a certificate",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_say_what_and_what_to_do(office: Office, name: str) -> None:
    request = office.request(office.order("installer"), "anna")
    answer, code = office.desk("answer", request["mail"]), 4
    source: str | Path = answer["code"]
    if name == "a foreign picture":
        source = office.folder / "holiday.jpg"
        Image.new("RGB", (640, 480), "green").save(source)
    elif name == "no such file":
        source, code = office.folder / "nothing.jpg", 2
    elif name == "not trusted":
        office.do("certs", "trust", "--remove", office.wallet.anchors[0].fingerprint)
    elif name == "no request":
        assert "is called 'nobody'" in office.do("certs", "remove", "nobody", code=4).err
        office.do("certs", "remove", "anna", "--yes")
    elif name == "already there":
        office.do("certs", "import", source)
    elif name == "a token":
        source = office.order("installer")
    refused = office.do("certs", "import", source, code=code)
    assert REFUSALS[name] in refused.err
    assert len(refused.err.strip().splitlines()) == 2
    if code == 4:
        assert "certificate_refused" in office.do("audit", "list").out


def test_the_desk_rejects_with_a_reason(office: Office) -> None:
    request = office.request(office.order("installer"), "anna")
    office.desk("answer", request["mail"])
    ran = office.do("simulate", "desk", "answer", request["mail"], "--folder", office.folder / "desk", code=4)
    assert "rejected (token_used)" in ran.err
    assert "token_used" in (office.folder / "desk" / "out" / "rejection.eml").read_text()
    second = office.request(office.order("installer"), "bert")
    office.desk("reject", second["mail"], "--reason", "nobody knows bert")
    assert "nobody knows bert" in (office.folder / "desk" / "out" / "rejection.eml").read_text()
    ran = office.do("simulate", "desk", "answer", second["mail"], "--folder", office.folder / "desk", code=4)
    assert "was cancelled" in ran.err


def test_a_lower_level_and_a_new_issuer_ask_first(office: Office) -> None:
    office.enrol("service", "high")
    request = office.request(office.order("installer"), "low")
    answer = office.desk("answer", request["mail"])
    asked = office.do("certs", "import", answer["code"], code=4)
    assert "its level is Installer, lower than Service" in asked.err
    assert "--yes" in asked.err
    office.do("certs", "import", answer["code"], "--keep-current")
    assert office.standing()["level"] == "Service"
    office.desk("issuer", "Second issuer")
    request = office.request(office.order("service+test"), "other")
    answer = office.desk("answer", request["mail"])
    asked = office.do("certs", "import", answer["code"], code=4)
    assert "new issuer, Second issuer" in asked.err
    office.do("certs", "import", answer["code"], "--yes")
    assert office.standing()["level"] == "Service+Test"


def test_a_scope_is_ordered_and_shown(office: Office) -> None:
    scope = ("--manufacturers", "KAM,ELS", "--families", "kamstrup_water", "--numbers", "63000000-63999999")
    request = office.request(office.order("installer", *scope), "anna")
    office.do("certs", "import", office.desk("answer", request["mail"])["code"])
    shown = str(office.standing()["scope"])
    assert shown == "meters of ELS, KAM; families kamstrup_water; numbers 63000000 to 63999999"


@pytest.mark.parametrize(
    "words",
    [
        ("--level", "boss"),
        ("--level", "installer", "--number", "0"),
        ("--level", "installer", "--number", "101"),
        ("--level", "installer", "--manufacturers", "kamstrup"),
        ("--level", "installer", "--numbers", "9-1"),
        ("--level", "installer", "--numbers", "all"),
    ],
)
def test_orders_that_are_none(office: Office, words: tuple[str, ...]) -> None:
    office.desk("order", "--organisation", ORGANISATION, *words, code=2)


def test_desks_that_are_none(bare: Office) -> None:
    bare.desk("list", code=2)
    bare.desk("create")
    bare.desk("create", code=2)
    (bare.folder / "desk" / "desk.json").write_text("{}")
    bare.desk("list", code=2)


def test_trust_needs_the_fingerprint(bare: Office) -> None:
    made = bare.desk("create")
    assert "fingerprint" in bare.do("certs", "trust", made["anchor"], code=2).err
    wrong = bare.do("certs", "trust", made["anchor"], "--fingerprint", "00" * 32, code=4)
    assert "does not have the fingerprint" in wrong.err
    assert made["fingerprint"] not in wrong.err
    assert bare.wallet.anchors == ()


def test_a_clock_set_back_or_far_ahead(office: Office) -> None:
    office.enrol("installer", "anna")
    office.at(START - timedelta(days=3))
    assert "the clock was set back" in str(office.standing()["reasons"])
    office.do("certs", "clock", code=4)
    office.at(START + timedelta(days=200))
    assert "200 days after the latest time seen" in str(office.standing()["reasons"])
    assert "clock far_ahead" in office.do("certs", "clock", code=4).out
    assert "clock trusted" in office.do("certs", "clock", "--confirm").out
    assert office.standing()["level"] == "Installer"
    office.at(START + timedelta(days=1))
    assert office.standing()["level"] == "Consumer"
    office.do("certs", "clock", "--correct")
    assert office.standing()["level"] == "Installer"
    log = office.do("audit", "list").out
    assert "clock_confirmed" in log
    assert "clock_corrected" in log


def test_days_left_are_warned_of(office: Office) -> None:
    office.enrol("service", "anna")
    office.at(START + timedelta(days=70))
    assert "the certificate expires in 20 days" in office.do("certs", "list").err
    office.at(START + timedelta(days=95))
    listed = json.loads(office.do("certs", "list", "--json").out)
    assert "expired" in listed["problem"]


def test_an_overdue_list_says_so(office: Office) -> None:
    office.enrol("service", "anna")
    office.do("certs", "revocations", office.desk("revocations")["file"])
    office.at(START + timedelta(days=50))
    assert "overdue" in office.do("certs", "revocations").out
    standing = office.standing()
    assert standing["level"] == "Installer"
    assert "read-out" in str(standing["actions"])


def test_a_tag_is_needed_and_a_bad_token_is_refused(office: Office) -> None:
    token = office.order("installer")
    assert "--tag" in office.do("certs", "request", token, code=2).err
    picture = office.folder / "other.png"
    picture.write_bytes(write_picture(write_payload(PayloadKind.TOKEN, b"nonsense"), png=True))
    assert "the token cannot be read" in office.do("certs", "request", picture, "--tag", "x", code=4).err
    office.at(START + timedelta(days=31))
    assert "expired on 2026-12-20" in office.do("certs", "request", token, "--tag", "x", code=4).err


PAGE = Path(__file__).resolve().parents[2] / "docs" / "certificates.md"


def commands_of_the_page() -> list[tuple[list[str], list[str]]]:
    """The commands of the page's console blocks, each with the lines that it is said to print."""
    found: list[tuple[list[str], list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ fieldtool "):
                found.append((shlex.split(line)[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_the_page_says_what_happens(bare: Office, tmp_path: Path) -> None:
    """Run the page from an empty folder; `…` stands for what differs from run to run."""
    (tmp_path / "keys.vault").unlink()
    bare.monkeypatch.chdir(tmp_path)
    fingerprint, commands = "", commands_of_the_page()
    assert len(commands) >= 18
    for words, lines in commands:
        ran = bare.do(*(word.replace("FINGERPRINT", fingerprint) for word in words))
        said = f"{ran.out}{ran.err}".splitlines()
        if words[:3] == ["simulate", "desk", "create"]:
            fingerprint = said[1].split()[1]
        for line in lines:
            wanted = line.replace("FINGERPRINT", fingerprint)
            pattern = re.compile(re.escape(wanted).replace("…", ".*"))
            assert any(pattern.fullmatch(one) for one in said), f"{words}: {line!r} is not among {said}"
