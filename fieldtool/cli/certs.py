"""`fieldtool certs request`, `import`, `use`, `remove` and `clock`: from an order to a level in use."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldtool import enrolment
from fieldtool.access import choose_store, open_store
from fieldtool.cli import output
from fieldtool.cli.asking import asked_text, confirmed
from fieldtool.cli.command import Command
from fieldtool.cli.question import can_ask
from fieldtool.enrolment import Enrolment, read_source, write_request
from fieldtool.exit_codes import ExitCode
from fieldtool.export.certificate_text import certificate_facts, standing_line
from keystore.certificates.clock import ClockState
from keystore.certificates.enrolment import remove
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.levels import level_title
from keystore.certificates.standing import Standing
from protocols.text import safe_text

SOURCE_HELP = "a picture (JPEG, PNG), a file, an e-mail, pasted text, or - for standard input"


@contextmanager
def opened(arguments: Namespace, *, mend: bool = False) -> Iterator[Enrolment]:
    """Open the store's certificates; a clock that is far ahead is asked about, unless `mend` is to deal with it."""
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        certificates = Enrolment(vault, enrolment.now())
        clock = certificates.attend_clock()
        if clock.state is ClockState.FAR_AHEAD and not mend and can_ask():
            if confirmed(clock.reason, yes=False):
                certificates.confirm_clock()
        elif not clock.is_trusted and not mend:
            output.talk(clock.reason)
        yield certificates


def _configure_request(parser: ArgumentParser) -> None:
    parser.add_argument("token", metavar="TOKEN", help=f"the token of the certificate desk: {SOURCE_HELP}")
    parser.add_argument("--tag", help="descriptive tag: person and device, for example anna-laptop (else asked)")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the files go (default: here)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _request(arguments: Namespace) -> ExitCode:
    source = read_source(arguments.token)
    with opened(arguments) as certificates:
        tag = arguments.tag or certificates.tag_of(source) or asked_text("descriptive tag", "--tag TAG")
        pending = certificates.request(source, tag)
    if arguments.tag and arguments.tag != pending.tag:
        output.talk(f"this token has a request already, which is written again; its tag stays {safe_text(pending.tag)}")
    files = write_request(pending, arguments.out)
    token = pending.token
    if arguments.json:
        facts = {
            "tag": pending.tag,
            "organisation": token.organisation,
            "level": level_title(token.capabilities),
            "order": token.order,
            "send_to": token.address,
            "request": str(files.request),
            "mail": str(files.mail),
            "picture": str(files.picture),
        }
        output.data(json.dumps(facts))
        return ExitCode.OK
    output.data(f"request {safe_text(pending.tag)}: {level_title(token.capabilities)} for {token.organisation}")
    output.data(f"  e-mail   {files.mail}  open it and send it to {token.address}")
    output.data(f"  request  {files.request}")
    output.data(f"  QR code  {files.picture}")
    output.talk("the key stays in the store; when the answer comes: fieldtool certs import FILE")
    return ExitCode.OK


def _configure_import(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE", help=f"the certificate desk's answer: {SOURCE_HELP}")
    parser.add_argument("--yes", action="store_true", help="do not ask about a lower level or a new issuer")
    parser.add_argument("--keep-current", action="store_true", help="import it, but keep using the certificate in use")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _import(arguments: Namespace) -> ExitCode:
    source = read_source(arguments.source)
    with opened(arguments) as certificates:
        plan = certificates.plan(source)
        if plan.new_issuer and not confirmed(plan.questions[0], yes=arguments.yes):
            raise CertificateRejected(RejectReason.DECLINED, "the certificate was not imported")
        activate = not arguments.keep_current
        if plan.lower_than and activate:
            activate = confirmed(plan.questions[-1], yes=arguments.yes)
        standing = certificates.keep(plan, activate=activate)
        wallet = certificates.wallet
    if arguments.json:
        output.data(json.dumps(certificate_facts(plan.credential, wallet, certificates.at)))
    else:
        grant = plan.chain.grant
        output.data(
            f"imported {safe_text(plan.credential.tag)} {plan.credential.name}: {grant.title} for "
            f"{grant.scope.organisation}, {grant.scope.text}, until {plan.chain.leaf.not_after:%Y-%m-%d}"
        )
        _tell(standing)
    return ExitCode.OK


def _configure_use(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="tag or serial number of a certificate; `consumer` for none")


def _use(arguments: Namespace) -> ExitCode:
    with opened(arguments) as certificates:
        standing = certificates.use(arguments.name)
    _tell(standing)
    return ExitCode.OK


def _configure_remove(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="tag of a request, tag or serial number of a certificate")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _remove(arguments: Namespace) -> ExitCode:
    with opened(arguments) as certificates:
        name = safe_text(arguments.name)
        remove(certificates.wallet, arguments.name)  # raises before anything is asked; nothing is stored by it
        if not confirmed(f"{name} and its key will be deleted for good", yes=arguments.yes):
            output.talk("nothing was removed")
            return ExitCode.SOME_FAILED
        standing = certificates.remove(arguments.name)
    output.data(f"removed {name}")
    _tell(standing)
    return ExitCode.OK


def _configure_clock(parser: ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--confirm", action="store_true", help="the clock is right, although it is far ahead")
    choice.add_argument("--correct", action="store_true", help="the clock is right now, and was wrong before")
    parser.epilog = (
        "A clock that is set back would revive expired certificates, so the store keeps the latest time ever seen. "
        "--correct goes back as far as the certificates and lists in the store allow, and is audited."
    )


def _clock(arguments: Namespace) -> ExitCode:
    with opened(arguments, mend=True) as certificates:
        clock = certificates.attend_clock()
        if arguments.confirm and clock.state is ClockState.FAR_AHEAD:
            certificates.confirm_clock()
        elif arguments.correct and clock.state is ClockState.SET_BACK:
            certificates.correct_clock()
        clock = certificates.attend_clock()
        latest = certificates.wallet.latest_seen
    seen = "nothing" if latest is None else f"{latest:%Y-%m-%d %H:%M} UTC"
    output.data(f"clock {clock.state}: {certificates.at:%Y-%m-%d %H:%M} UTC, latest seen {seen}")
    return ExitCode.OK if clock.is_trusted else ExitCode.KEYSTORE


def _tell(standing: Standing) -> None:
    output.data(standing_line(standing))
    for text in (*standing.reasons, *standing.warnings):
        output.talk(text)


REQUEST = Command(_configure_request, _request)
IMPORT = Command(_configure_import, _import)
USE = Command(_configure_use, _use)
REMOVE = Command(_configure_remove, _remove)
CLOCK = Command(_configure_clock, _clock)
