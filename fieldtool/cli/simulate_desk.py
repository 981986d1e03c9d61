"""`fieldtool simulate desk`: the certificate desk, for trying and testing enrolment."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from fieldtool import enrolment
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.enrolment import read_source, write_private
from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.file_names import file_stem
from keystore.certificates.grant import Grant, Scope
from keystore.certificates.intake import read_anything
from keystore.certificates.levels import level_named, level_table
from keystore.certificates.payload import PayloadKind, write_payload
from keystore.certificates.picture import write_picture
from protocols.text import safe_text
from simulators.certificate_desk import answers
from simulators.certificate_desk.desk import CertificateDesk
from simulators.certificate_desk.folder import create_folder, load_desk, save_desk
from simulators.errors import SimulatorError

NAME = "Simulated certificate desk"
ADDRESS = "certificates@desk.example"


def _configure(parser: ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="what", required=True, metavar="WHAT", help="what the desk does")
    create = parts.add_parser("create", help="make a desk: a trust anchor and an authority that issues")
    create.add_argument("--name", default=NAME, help=f"its name (default: {NAME})")
    create.add_argument("--address", default=ADDRESS, help=f"where requests are mailed to (default: {ADDRESS})")
    order = parts.add_parser("order", help="order certificates, and get a token for each")
    order.add_argument("--organisation", required=True, metavar="NAME", help="who orders")
    order.add_argument("--level", required=True, help=f"{', '.join(_levels())}, or two of them joined by +")
    order.add_argument("--number", type=int, default=1, metavar="N", help="how many certificates (default: 1)")
    order.add_argument("--manufacturers", metavar="KAM,ELS", help="only for meters of these")
    order.add_argument("--families", metavar="A,B", help="only for meters with these profiles")
    order.add_argument("--numbers", metavar="FIRST-LAST", help="only for meters with these numbers, eight digits each")
    answer = parts.add_parser("answer", help="check a request and sign it")
    reject = parts.add_parser("reject", help="reject a request and cancel its token")
    for part in (answer, reject):
        part.add_argument("request", metavar="FILE", help="the request, its QR code, or the e-mail with it")
    reject.add_argument("--reason", default="the order was withdrawn", help="the reason, as written to the technician")
    revoke = parts.add_parser("revoke", help="revoke a certificate; the next list names it")
    revoke.add_argument("name", metavar="NAME", help="tag or serial number")
    revocations = parts.add_parser("revocations", help="sign the next revocation list")
    issuer = parts.add_parser("issuer", help="make a new authority, which issues from now on")
    issuer.add_argument("name", metavar="NAME", help="its name")
    listing = parts.add_parser("list", help="list orders and certificates")
    for part in (create, order, answer, reject, revoke, revocations, issuer, listing):
        part.add_argument("--folder", type=Path, default=Path("desk"), help="where the desk is kept (default: desk)")
        part.add_argument("--out", type=Path, metavar="DIR", help="where files for others go (default: DESK/out)")
        part.add_argument("--json", action="store_true", help="print JSON")


def _run(arguments: Namespace) -> ExitCode:
    try:
        return _PARTS[arguments.what](arguments)
    except SimulatorError as error:
        raise UsageError(str(error), error.hint) from error


def _create(arguments: Namespace) -> ExitCode:
    try:
        desk = CertificateDesk.create(arguments.name, arguments.address, enrolment.now(), secrets.token_bytes)
    except ValueError as error:
        raise UsageError(f"no desk can be called {safe_text(arguments.name)}: {error}") from error
    create_folder(arguments.folder, desk)
    anchor = desk.anchor.certificate
    code = _out(arguments) / "anchor.jpg"
    write_private(code, write_picture(write_payload(PayloadKind.ANCHOR, anchor.data)))
    facts = {"anchor": str(arguments.folder / "anchor.pem"), "code": str(code), "fingerprint": anchor.fingerprint}
    _say(arguments, facts, f"made a certificate desk; its trust anchor: {facts['anchor']}")
    if not arguments.json:
        output.data(f"fingerprint {anchor.fingerprint}")
    return ExitCode.OK


def _order(arguments: Namespace) -> ExitCode:
    desk = _load(arguments)
    capabilities = level_named(arguments.level)
    if capabilities is None:
        raise UsageError(f"there is no level {safe_text(arguments.level)!r}", f"levels: {', '.join(_levels())}")
    try:
        order, tokens = desk.order(Grant(capabilities, _scope(arguments)), arguments.number, enrolment.now())
    except ValueError as error:
        raise UsageError(str(error), "see: fieldtool simulate desk order --help") from error
    save_desk(arguments.folder, desk)
    for count, token in enumerate(tokens, 1):
        stem = _out(arguments) / file_stem("token", order.number, str(count))
        code = stem.with_suffix(".jpg")
        write_private(code, write_picture(answers.token_text(token)))
        write_private(stem.with_suffix(".eml"), answers.token_mail(token))
        facts = {"order": order.number, "level": order.grant.title, "token": str(code), "mail": f"{stem}.eml"}
        _say(arguments, facts, f"order {order.number}: {order.grant.title} for {order.organisation}: {code}")
    return ExitCode.OK


def _answer(arguments: Namespace) -> ExitCode:
    desk, source = _load(arguments), read_source(arguments.request)
    try:
        signed = desk.answer(read_anything(source.data, PayloadKind.REQUEST).data, enrolment.now())
    except CertificateRejected as error:
        _write_rejection(arguments, desk, error)
        raise
    save_desk(arguments.folder, desk)
    stem = answers.answer_stem(signed)
    folder = _out(arguments)
    code, file, mail = folder / f"{stem}.jpg", folder / f"{stem}.pem", folder / f"{stem}.eml"
    write_private(code, write_picture(answers.answer_text(signed)))
    write_private(file, answers.answer_pem(signed))
    write_private(mail, answers.answer_mail(signed, desk.books.address))
    serial = signed.certificate.serial_text
    facts = {"serial": serial, "level": signed.level, "code": str(code), "file": str(file), "mail": str(mail)}
    _say(arguments, facts, f"signed {safe_text(signed.tag)} {serial}: {signed.level}: {code}")
    return ExitCode.OK


def _reject(arguments: Namespace) -> ExitCode:
    desk, source = _load(arguments), read_source(arguments.request)
    order = desk.cancel(read_anything(source.data, PayloadKind.REQUEST).data, enrolment.now())
    save_desk(arguments.folder, desk)
    mail = _out(arguments) / "rejection.eml"
    write_private(mail, answers.rejection_mail("declined", arguments.reason, desk.books.address))
    facts = {"order": order.number, "mail": str(mail)}
    _say(arguments, facts, f"rejected the request of order {order.number}: {mail}")
    return ExitCode.OK


def _revoke(arguments: Namespace) -> ExitCode:
    desk = _load(arguments)
    entry = desk.revoke(arguments.name, enrolment.now())
    save_desk(arguments.folder, desk)
    facts = {"serial": f"{entry.serial:016x}", "tag": entry.tag}
    _say(arguments, facts, f"revoked {safe_text(entry.tag)} {facts['serial']}; the next revocation list names it")
    return ExitCode.OK


def _revocations(arguments: Namespace) -> ExitCode:
    desk = _load(arguments)
    for position, issuer in enumerate(desk.issuers, 1):
        data = desk.revocation_list(enrolment.now(), issuer=issuer)
        save_desk(arguments.folder, desk)
        number = desk.books.list_number(issuer.certificate.fingerprint)
        file = _out(arguments) / f"revocations_{position}_{number}.crl"
        write_private(file, data)
        facts: dict[str, object] = {"issuer": issuer.certificate.common_name, "number": number, "file": str(file)}
        try:
            picture = write_picture(write_payload(PayloadKind.REVOCATIONS, data))
        except ValueError:
            output.talk("the list is too long for a QR code: send the file")
        else:
            write_private(file.with_suffix(".jpg"), picture)
            facts["code"] = str(file.with_suffix(".jpg"))
        _say(arguments, facts, f"{issuer.certificate.common_name}: revocation list {number}: {file}")
    return ExitCode.OK


def _issuer(arguments: Namespace) -> ExitCode:
    desk = _load(arguments)
    made = desk.new_issuer(safe_text(arguments.name, 64), enrolment.now())
    save_desk(arguments.folder, desk)
    facts = {"issuer": made.certificate.common_name, "fingerprint": made.certificate.fingerprint}
    _say(arguments, facts, f"{made.certificate.common_name} issues from now on")
    return ExitCode.OK


def _list(arguments: Namespace) -> ExitCode:
    books = _load(arguments).books
    for order in books.orders:
        states = [str(token.state) for token in order.tokens]
        shown: dict[str, object] = {
            "order": order.number,
            "organisation": order.organisation,
            "level": order.grant.title,
            "tokens": states,
        }
        text = f"order {order.number}: {order.grant.title} for {order.organisation}: {', '.join(states)}"
        _say(arguments, shown, text)
    for entry in books.issued:
        state = "revoked" if entry.revoked_at is not None else f"until {entry.not_after:%Y-%m-%d}"
        serial = f"{entry.serial:016x}"
        shown = {"serial": serial, "tag": entry.tag, "level": entry.level, "revoked": entry.revoked_at is not None}
        _say(arguments, shown, f"{serial}  {entry.level:13}  {safe_text(entry.tag):20}  {state}")
    return ExitCode.OK


def _write_rejection(arguments: Namespace, desk: CertificateDesk, error: CertificateRejected) -> None:
    mail = _out(arguments) / "rejection.eml"
    write_private(mail, answers.rejection_mail(error.reason, error.message, desk.books.address))
    output.talk(f"rejected ({error.reason}): {mail}")


def _scope(arguments: Namespace) -> Scope:
    numbers = None
    if arguments.numbers is not None:
        first, _, last = arguments.numbers.partition("-")
        numbers = int(first), int(last or first)
    return Scope(arguments.organisation.strip(), _names(arguments.manufacturers), _names(arguments.families), numbers)


def _names(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(name.strip() for name in text.split(","))


def _load(arguments: Namespace) -> CertificateDesk:
    return load_desk(arguments.folder, secrets.token_bytes)


def _out(arguments: Namespace) -> Path:
    out: Path = arguments.folder / "out" if arguments.out is None else arguments.out
    return out


def _levels() -> list[str]:
    return list(level_table().levels)


def _say(arguments: Namespace, facts: Mapping[str, object], text: str) -> None:
    output.data(json.dumps(facts) if arguments.json else text)


_PARTS: dict[str, Callable[[Namespace], ExitCode]] = {
    "create": _create,
    "order": _order,
    "answer": _answer,
    "reject": _reject,
    "revoke": _revoke,
    "revocations": _revocations,
    "issuer": _issuer,
    "list": _list,
}

DESK = Command(_configure, _run)
