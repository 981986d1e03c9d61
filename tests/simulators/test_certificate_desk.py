"""The certificate desk: what it writes down, what it issues, and that openssl agrees."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from keystore.certificates.file_names import file_stem
from keystore.certificates.grant import Grant, Scope
from keystore.certificates.levels import Capability, level_table
from keystore.certificates.request import build_request
from keystore.certificates.revocation import check_list, read_list
from keystore.certificates.token import Token
from simulators.certificate_desk.answers import answer_mail, answer_stem, rejection_mail, token_mail
from simulators.certificate_desk.books import TokenState
from simulators.certificate_desk.desk import CertificateDesk, SignedAnswer
from simulators.certificate_desk.folder import create_folder, load_desk, save_desk
from simulators.certificate_desk.issuing import new_key
from simulators.errors import SimulatorError
from tests.keystore.certificates.desks import DAY, ORGANISATION, START, grant_of, make_desk


def answered(desk: CertificateDesk, token: Token, tag: str = "anna", seed: int = 7) -> SignedAnswer:
    request = build_request(new_key(Random(seed).randbytes), token.organisation, tag, token.secret)
    return desk.answer(request, START)


def test_the_same_seed_makes_the_same_keys_and_tokens() -> None:
    one, other = make_desk(4), make_desk(4)
    assert one.anchor.certificate.key_bytes == other.anchor.certificate.key_bytes
    assert one.order(grant_of("test"), 2, START)[1] == other.order(grant_of("test"), 2, START)[1]
    assert make_desk(5).anchor.certificate.key_bytes != one.anchor.certificate.key_bytes


def test_what_was_ordered_is_signed_whatever_is_asked_for() -> None:
    desk = make_desk()
    scope = Scope(ORGANISATION, frozenset({"KAM"}), None, (1, 2))
    order, (token,) = desk.order(Grant(Capability.READ | Capability.INSTALL, scope), 1, START)
    answer = answered(desk, token)
    assert answer.certificate.grant == order.grant == Grant(Capability.READ | Capability.INSTALL, scope)
    assert (answer.certificate.common_name, answer.level) == ("anna", "Installer")


@pytest.mark.parametrize("level", [one for one in level_table().levels if one != "consumer"])
def test_certificates_live_as_long_as_the_table_says(level: str) -> None:
    desk = make_desk()
    certificate = answered(desk, desk.order(grant_of(level), 1, START)[1][0]).certificate
    assert certificate.not_after - certificate.not_before == level_table().levels[level].validity


def test_a_certificate_does_not_outlive_its_issuer() -> None:
    desk = make_desk()
    late = START + 1000 * DAY
    _, (token,) = desk.order(grant_of("installer"), 1, late)
    request = build_request(new_key(Random(7).randbytes), ORGANISATION, "anna", token.secret)
    assert desk.answer(request, late).certificate.not_after == desk.issuer.certificate.not_after


def test_the_books_are_kept_and_read_again(tmp_path: Path) -> None:
    desk = make_desk()
    desk.new_issuer("Second", START)
    _, tokens = desk.order(Grant(Capability.TEST, Scope(ORGANISATION, None, frozenset({"a b"}), (0, 5))), 3, START)
    answered(desk, tokens[0])
    desk.revoke("anna", START)
    desk.revocation_list(START)
    create_folder(tmp_path / "desk", desk)
    again = load_desk(tmp_path / "desk", Random(9).randbytes)
    assert again.books == desk.books
    assert [one.certificate for one in again.issuers] == [one.certificate for one in desk.issuers]
    assert [token.state for token in again.books.orders[0].tokens] == [
        TokenState.USED,
        TokenState.SENT,
        TokenState.SENT,
    ]
    assert read_list(again.revocation_list(START)).number == 2
    save_desk(tmp_path / "desk", again)
    assert load_desk(tmp_path / "desk", Random(9).randbytes).books == again.books


@pytest.mark.parametrize("name", ["desk.json", "anchor.key", "issuer-1.pem"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe"])
def test_a_damaged_folder_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    create_folder(tmp_path, make_desk())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SimulatorError, match=r"certificate desk in|cannot be read") as caught:
        load_desk(tmp_path, Random(1).randbytes)
    assert str(tmp_path) in str(caught.value)


def test_a_desk_is_not_made_twice(tmp_path: Path) -> None:
    create_folder(tmp_path, make_desk())
    with pytest.raises(SimulatorError, match="already"):
        create_folder(tmp_path, make_desk(2))


def test_revoking_by_name() -> None:
    desk = make_desk()
    _, tokens = desk.order(grant_of("installer"), 3, START)
    serials = [answered(desk, token, tag, seed).certificate.serial for seed, (token, tag) in enumerate(
        zip(tokens, ("anna", "bert", "bert"), strict=True)
    )]  # fmt: skip
    assert desk.revoke("ANNA", START).serial == serials[0]
    assert desk.revoke(f"{serials[1]:016x}", START).serial == serials[1]
    first = desk.revoke("anna", START + DAY)
    assert first.revoked_at == START, "what is revoked stays revoked since then"
    for name in ("", "bert", "nobody"):
        with pytest.raises(SimulatorError, match="certificate is called"):
            desk.revoke(name, START)
    revocations = read_list(desk.revocation_list(START))
    check_list(revocations, desk.issuer.certificate)
    assert revocations.serials == set(serials[:2])


def test_each_issuer_has_lists_of_its_own() -> None:
    desk = make_desk()
    answered(desk, desk.order(grant_of("installer"), 1, START)[1][0])
    desk.revoke("anna", START)
    second = desk.new_issuer("Second", START)
    assert read_list(desk.revocation_list(START, issuer=second)).serials == set()
    assert len(read_list(desk.revocation_list(START, issuer=desk.issuers[0])).serials) == 1
    assert [read_list(desk.revocation_list(START, issuer=second)).number for _ in range(2)] == [2, 3]


@pytest.mark.parametrize(
    ("parts", "stem"),
    [
        (("Stadtwerke Nord", "Service", "anna"), "Stadtwerke Nord_Service_anna"),
        (("A_B", "Test", "c_d"), "A_B_Test_c_d"),
        (("a/b\\c", "Service", 'x:*?"<>|y'), "a-b-c_Service_x-------y"),
        (("..", "Service", "..\n"), "_Service_..-"),
        (("x" * 200, "Service", "y"), "x" * 120),
        (("\N{GRINNING FACE}" * 64, "Service", "y"), "\N{GRINNING FACE}" * 50),
        (("x" + "\N{GRINNING FACE}" * 64, "Service", "y"), "x" + "\N{GRINNING FACE}" * 49),
    ],
)
def test_file_names_hold_nothing_that_a_file_cannot(parts: tuple[str, ...], stem: str) -> None:
    assert file_stem(*parts) == stem


def test_mails_name_what_they_carry() -> None:
    desk = make_desk()
    _, (token,) = desk.order(grant_of("service"), 1, START)
    mail = token_mail(token)
    assert b'filename="token_2026-0001.jpg"' in mail
    assert token.secret.hex().encode() not in mail.lower()
    answer = answered(desk, token)
    assert answer_stem(answer) == "Stadtwerke Nord_Service_anna"
    mail = answer_mail(answer, "a@desk.example")
    assert b"Stadtwerke Nord_Service_anna.jpg" in mail
    assert b"revoked" in rejection_mail("revoked", "it was", "a@desk.example")


def test_openssl_verifies_what_the_desk_signs(tmp_path: Path) -> None:
    desk = make_desk()
    answer = answered(desk, desk.order(grant_of("service"), 1, START)[1][0])
    for name, certificate in (
        ("leaf", answer.certificate),
        ("issuer", answer.issuer),
        ("anchor", desk.anchor.certificate),
    ):
        (tmp_path / name).write_bytes(certificate.x509.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-x509_strict", "-ignore_critical", "-attime", str(int(START.timestamp()))]
    command += ["-CAfile", str(tmp_path / "anchor"), "-untrusted", str(tmp_path / "issuer"), str(tmp_path / "leaf")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        pytest.skip("openssl is not here")
    assert done.stdout.strip().endswith("leaf: OK"), done.stderr
