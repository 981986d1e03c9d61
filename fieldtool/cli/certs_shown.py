"""`fieldtool certs list`, `show`, `revocations` and `trust`: what there is, what it allows, who is believed."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from fieldtool.cli import output
from fieldtool.cli.certs import SOURCE_HELP, opened
from fieldtool.cli.command import Command
from fieldtool.enrolment import read_source
from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.certificate_text import (
    anchor_line,
    certificate_facts,
    certificate_line,
    issuer_name,
    list_facts,
    list_line,
    request_facts,
    request_line,
    standing_facts,
    standing_line,
)
from keystore.certificates.enrolment import find
from keystore.certificates.levels import level_table, level_title
from keystore.certificates.standing import Standing
from keystore.certificates.wallet import Credential
from protocols.text import safe_text


def _configure_list(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per certificate or request")


def _list(arguments: Namespace) -> ExitCode:
    with opened(arguments) as certificates:
        wallet, standing, at = certificates.wallet, certificates.standing(), certificates.at
    for credential in wallet.credentials:
        if arguments.json:
            output.data(json.dumps(certificate_facts(credential, wallet, at)))
        else:
            output.data(certificate_line(credential, wallet, at))
    for pending in wallet.requests:
        output.data(json.dumps(request_facts(pending)) if arguments.json else request_line(pending))
    output.talk(standing_line(standing))
    for text in (*standing.reasons, *standing.warnings):
        output.talk(text)
    return ExitCode.OK


def _configure_show(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="tag or serial number (default: the one in use)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _show(arguments: Namespace) -> ExitCode:
    with opened(arguments) as certificates:
        wallet, standing, at = certificates.wallet, certificates.standing(), certificates.at
    credential = standing.credential if arguments.name is None else find(wallet, arguments.name)
    facts = {} if credential is None else certificate_facts(credential, wallet, at)
    if arguments.json:
        output.data(json.dumps({"certificate": facts or None, "standing": standing_facts(standing)}))
        return ExitCode.OK
    for name, value in facts.items():
        if value is not None and not isinstance(value, bool):
            output.data(f"{name.replace('_', ' '):14}{safe_text(str(value))}")
    if credential is not None:
        _show_chain(credential)
    output.data("" if facts else standing_line(standing))
    _show_actions(standing)
    return ExitCode.OK


def _show_chain(credential: Credential) -> None:
    for issuer in credential.issuers:
        granted = issuer.grant.title if issuer.grant is not None else ""
        output.data(f"{'issued by':14}{issuer.common_name}, may grant {granted}, until {issuer.not_after:%Y-%m-%d}")


def _show_actions(standing: Standing) -> None:
    for reason in standing.reasons:
        output.data(f"{standing.title}: {reason}")
    for action in level_table().actions.values():
        allowed = action.needs in standing.grant.capabilities or action.needs in level_table().consumer.capabilities
        output.data(f"{'may' if allowed else 'may not':8} {action.name:22}{action.text}")


def _configure_revocations(parser: ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", metavar="FILE", help=f"import a list first: {SOURCE_HELP}, or .crl")
    parser.add_argument("--json", action="store_true", help="print one JSON object per list")


def _revocations(arguments: Namespace) -> ExitCode:
    source = None if arguments.source is None else read_source(arguments.source)
    with opened(arguments) as certificates:
        standing = certificates.standing()
        if source is not None:
            taken, standing = certificates.import_list(source)
            output.talk(f"revocation list {taken.number} is installed")
        wallet, at = certificates.wallet, certificates.at
    for revocations in wallet.lists:
        issuer = issuer_name(wallet, revocations)
        shown = list_facts(revocations, issuer, at) if arguments.json else None
        output.data(list_line(revocations, issuer, at) if shown is None else json.dumps(shown))
    if not wallet.lists:
        output.talk("there is no revocation list")
    for text in (*standing.reasons, *standing.warnings):
        output.talk(text)
    return ExitCode.OK


def _configure_trust(parser: ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", metavar="FILE", help=f"install a trust anchor: {SOURCE_HELP}")
    parser.add_argument("--fingerprint", metavar="SHA256", help="its fingerprint, as told by the certificate desk")
    parser.add_argument("--remove", metavar="SHA256", help="stop trusting the anchor with this fingerprint")


def _trust(arguments: Namespace) -> ExitCode:
    if (arguments.source is None) is not (arguments.fingerprint is None):
        raise UsageError(
            "installing a trust anchor takes its file and its fingerprint",
            "ask the certificate desk for the fingerprint: fieldtool certs trust FILE --fingerprint SHA256",
        )
    source = None if arguments.source is None else read_source(arguments.source)
    with opened(arguments) as certificates:
        if arguments.remove is not None:
            certificates.distrust(arguments.remove)
        if source is not None:
            anchor = certificates.trust(source, arguments.fingerprint)
            most = "" if anchor.grant is None else level_title(anchor.grant.capabilities)
            output.talk(f"certificates of {anchor.common_name} are trusted from now on, up to {most}")
        wallet = certificates.wallet
    for anchor in wallet.anchors:
        output.data(anchor_line(anchor))
    if not wallet.anchors:
        output.talk("there is no trust anchor: no certificate can be imported")
    return ExitCode.OK


LIST = Command(_configure_list, _list)
SHOW = Command(_configure_show, _show)
REVOCATIONS = Command(_configure_revocations, _revocations)
TRUST = Command(_configure_trust, _trust)
