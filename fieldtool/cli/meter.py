"""`fieldtool meter ACTION`: read out a meter, set it up, service it, over a link to that one meter."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from fieldtool import enrolment
from fieldtool.access import choose_store, open_for_listening, open_store, read_passphrase
from fieldtool.actions.action_log import RECOVER, Attempt
from fieldtool.actions.links import LinkContext, MeterChoice, open_link, parse_meter
from fieldtool.actions.plan import CHANGE_KEY, READ_OUT, wish_for
from fieldtool.actions.read_out import take_read_out
from fieldtool.actions.service import ActionService
from fieldtool.cli import output
from fieldtool.cli.asking import confirmed
from fieldtool.cli.command import Command
from fieldtool.cli.meter_list import act_on_list
from fieldtool.cli.meter_rows import rows_for
from fieldtool.cli.meter_values import read_values
from fieldtool.cli.question import can_ask
from fieldtool.enrolment import Enrolment
from fieldtool.errors import ConfigError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.action_text import (
    action_facts,
    action_line,
    actions_help,
    outcome_facts,
    outcome_lines,
    plan_facts,
    plan_lines,
    read_out_lines,
)
from fieldtool.export.telegram_json import telegram_json
from fieldtool.keys.keys_text import parse_key
from fieldtool.keys.lazy_keys import LazyKeys
from keystore.certificates.clock import ClockState
from keystore.certificates.levels import level_table
from keystore.certificates.standing import CONSUMER, Standing
from keystore.vault import Vault
from protocols.actions.table import FORMS
from protocols.text import safe_text

ACTIONS: Final = "actions"
WORDS: Final = (ACTIONS, READ_OUT, *FORMS, RECOVER)
AES_KEY_BYTES: Final = 16


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("action", metavar="ACTION", help="what to do; see below")
    parser.add_argument(
        "--at",
        metavar="LINK",
        help="the link to the meter: mbus:///dev/ttyUSB0?baud=2400, optical:///dev/ttyUSB0, im871a:///dev/ttyUSB0?mode=c2",
    )
    parser.add_argument("--meter", metavar="NUMBER", help="its number, as in 63001468 or KAM63001468, or p5 (primary)")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="instead of --meter: all meters of a list, a number a line"
    )
    parser.add_argument("--again", action="store_true", help="with --list: also what the audit log has as done")
    parser.add_argument(
        "--set", action="append", default=[], metavar="VALUE", dest="values", help="what to write: VALUE or NAME=VALUE"
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=f"the new key for {CHANGE_KEY}, in hex")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object, one a meter of a list")
    parser.epilog = actions_help()


def _run(arguments: Namespace) -> ExitCode:
    word = arguments.action
    if word not in WORDS:
        near = get_close_matches(word, WORDS, n=1)
        hint = f"did you mean `fieldtool meter {near[0]}`?" if near else "see: fieldtool meter actions"
        raise UsageError(f"there is no action {safe_text(word)!r}", hint)
    unused: dict[str, bool] = {
        "--set": bool(arguments.values) and word not in FORMS,
        "--dry-run": arguments.dry_run and word not in FORMS,
        "--key-file": arguments.key_file is not None and word != CHANGE_KEY,
        "--list": arguments.list is not None and word not in FORMS,
    }
    option = next((name for name, is_given in unused.items() if is_given), None)
    if option is not None:
        raise UsageError(f"{word} takes no {option}", "leave it out")
    if word == ACTIONS:
        return _list_actions(arguments)
    if arguments.list is not None:
        return _act_on_list(arguments)
    if arguments.again:
        raise UsageError("--again is for --list: one meter is never passed over", "leave it out")
    if arguments.at is None or arguments.meter is None:
        raise UsageError(f"{word} needs --at LINK and --meter NUMBER", "see `fieldtool meter --help`")
    meter = parse_meter(arguments.meter)
    if word == READ_OUT:
        return _read_out(arguments, meter)
    return _recover(arguments, meter) if word == RECOVER else _act(arguments, meter)


def _list_actions(arguments: Namespace) -> ExitCode:
    vault, reason = open_for_listening(choose_store(arguments.store, arguments.passphrase_file))
    if vault is None:
        standing = Standing(CONSUMER, reasons=(reason,))
    else:
        with vault:
            standing = _attended(vault).standing()
    for action in level_table().actions.values():
        if arguments.json:
            output.data(json.dumps(action_facts(action, standing)))
        else:
            output.data(action_line(action, standing))
    output.talk(f"level {standing.title}")
    for text in (*standing.reasons, *standing.warnings):
        output.talk(text)
    return ExitCode.OK


def _read_out(arguments: Namespace, meter: MeterChoice) -> ExitCode:
    """Anybody may read; the store is opened only when the meter's answer is encrypted."""
    keys = LazyKeys(arguments.store, arguments.passphrase_file)
    try:
        with closing(open_link(arguments.at, meter, LinkContext(keys, output.talk, enrolment.now))) as link:
            read_out = take_read_out(link, keys)
    finally:
        keys.close()
    for telegram in read_out.telegrams:
        if arguments.json:
            output.data(telegram_json(telegram))
    if not arguments.json:
        for line in read_out_lines(read_out):
            output.data(line)
    return ExitCode.SOME_FAILED if read_out.problem else ExitCode.OK


def _act(arguments: Namespace, meter: MeterChoice) -> ExitCode:
    form = FORMS[arguments.action]
    values, new_key = read_values(form, arguments.values), _new_key(arguments)
    now = enrolment.now()
    parameter = wish_for(form.name, values, now, new_key).shown(now)
    with _service(arguments, meter, parameter) as service:
        plan = service.plan(form.name, meter, values, new_key, dry_run=arguments.dry_run)
        if not arguments.json:
            # Else a refusal comes as the error.
            for line in plan_lines(plan, with_refusal=arguments.dry_run):
                output.talk(line)
        if arguments.dry_run:
            if arguments.json:
                output.data(json.dumps(plan_facts(plan)))
            return ExitCode.KEYSTORE if plan.why_not else ExitCode.OK
        service.check(plan)
        if not confirmed(plan.summary, yes=arguments.yes or not plan.action.writes):
            output.talk("nothing was written")
            return ExitCode.SOME_FAILED
        try:
            outcome = service.execute(plan)
        except KeyboardInterrupt:
            unknown, hint = service.left_open(plan)
            output.failure(f"interrupted; {unknown}", hint)
            raise
    if arguments.json:
        output.data(json.dumps(outcome_facts(outcome)))
    else:
        for line in outcome_lines(outcome):
            output.data(line)
    if outcome.problem:
        output.failure(outcome.problem, "read the meter out, and try again")
    return ExitCode.OK if outcome.ok else ExitCode.SOME_FAILED


def _act_on_list(arguments: Namespace) -> ExitCode:
    """All that can be wrong with the list is found before somebody is asked for the passphrase."""
    if arguments.meter is not None:
        raise UsageError("--meter and --list name meters", "give one of them")
    if arguments.key_file is not None:
        raise UsageError(
            "one key for all meters of a list opens all of them once it is known",
            "leave --key-file out: each meter gets a random key of its own",
        )
    rows = rows_for(arguments, FORMS[arguments.action])
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        _attended(vault)
        return act_on_list(arguments, rows, vault)


def _recover(arguments: Namespace, meter: MeterChoice) -> ExitCode:
    with _service(arguments, meter) as service:
        settled = service.recover(meter)
    if arguments.json:
        facts = {"open": settled is not None, "took_new": None if settled is None else settled.took_new}
        output.data(json.dumps(facts))
    else:
        output.data("no key change of this meter is open" if settled is None else settled.text)
    return ExitCode.OK


@contextmanager
def _service(arguments: Namespace, meter: MeterChoice, parameter: str = "") -> Iterator[ActionService]:
    """Open store and link; a clock that is far ahead is asked about. That there is no link is written down."""
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        _attended(vault)
        context = LinkContext(vault.keys_for, output.talk, enrolment.now)
        attempt = Attempt(vault, lambda: enrolment.now(), arguments.action, meter, parameter)
        with nullcontext() if arguments.dry_run else attempt.noted():
            link = open_link(arguments.at, meter, context)
        with closing(link):
            yield ActionService(vault, link, lambda: enrolment.now())


def _attended(vault: Vault) -> Enrolment:
    certificates = Enrolment(vault, enrolment.now())
    clock = certificates.attend_clock()
    if clock.state is ClockState.FAR_AHEAD and can_ask() and confirmed(clock.reason, yes=False):
        certificates.confirm_clock()
    return certificates


def _new_key(arguments: Namespace) -> bytes | None:
    path: Path | None = arguments.key_file
    if path is None:
        return None
    try:
        key = parse_key(read_passphrase(path, "key"), "new key").value
    except ValueError as error:
        raise ConfigError(f"key file {path}: {error}", "write the key into it as 32 hex digits") from None
    if len(key) != AES_KEY_BYTES:
        raise ConfigError(f"key file {path} holds no AES-128 key", "write the key into it as 32 hex digits")
    return key


METER = Command(_configure, _run)
