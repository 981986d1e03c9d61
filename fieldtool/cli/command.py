"""What a command is, and the table of all commands."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from protocols.text import safe_text


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what it adds to the parser, and what it does with the arguments."""

    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], ExitCode]


COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("fieldtool.cli.demo:DEMO", "show everything with simulated meters; needs no hardware"),
    "decode": ("fieldtool.cli.decode:DECODE", "decode telegrams given as hex"),
    "listen": ("fieldtool.cli.listen:LISTEN", "receive and decode what is in the air"),
    "replay": ("fieldtool.cli.replay:REPLAY", "decode captures from files"),
    "receivers list": ("fieldtool.cli.receivers:LIST", "list serial ports and the receivers that may be on them"),
    "receivers probe": ("fieldtool.cli.receivers:PROBE", "ask a port which receiver is on it"),
    "store create": ("fieldtool.cli.store:CREATE", "make a new keystore"),
    "store info": ("fieldtool.cli.store:INFO", "say what a keystore tells of itself while locked"),
    "store verify": ("fieldtool.cli.store:VERIFY", "check that a keystore is what was written, row by row"),
    "store slots": ("fieldtool.cli.store_slots:SLOTS", "list what opens a keystore; add the keychain, remove a slot"),
    "store passphrase": ("fieldtool.cli.store_slots:PASSPHRASE", "change the passphrase, or add one"),
    "store recovery": ("fieldtool.cli.store_slots:RECOVERY", "make a recovery key to print"),
    "store backup": ("fieldtool.cli.store_backup:BACKUP", "write a keystore to one sealed file"),
    "store restore": ("fieldtool.cli.store_backup:RESTORE", "restore a keystore from a backup, and prove it"),
    "keys import": ("fieldtool.cli.keys_import:IMPORT", "import key files of portals and servers, and tables"),
    "keys export": ("fieldtool.cli.keys_export:EXPORT", "write keys into a file, for another program or owner"),
    "keys check": ("fieldtool.cli.keys_check:CHECK", "hold the filed keys against a capture or the live air"),
    "keys list": ("fieldtool.cli.keys:LIST", "list the keys of the store, by check value"),
    "keys find": ("fieldtool.cli.keys:FIND", "find the keys of a meter"),
    "keys show": ("fieldtool.cli.keys:SHOW", "show all that is known of a meter's keys; with --reveal the keys too"),
    "keys lint": ("fieldtool.cli.keys_change:LINT", "find keys that protect nothing or look mistaken"),
    "keys mark": ("fieldtool.cli.keys_change:MARK", "say whose a meter is now, or that its keys are not to be used"),
    "keys remove": ("fieldtool.cli.keys_change:REMOVE", "remove a meter's keys"),
    "audit list": ("fieldtool.cli.audit:LIST", "list what was done with the keys"),
    "audit verify": ("fieldtool.cli.audit:VERIFY", "check that the audit log is whole"),
    "certs request": ("fieldtool.cli.certs:REQUEST", "make a key and a certificate request from a token"),
    "certs import": ("fieldtool.cli.certs:IMPORT", "import the certificate that answers a request"),
    "certs list": ("fieldtool.cli.certs_shown:LIST", "list certificates and requests, and the level in use"),
    "certs use": ("fieldtool.cli.certs:USE", "choose the certificate in use"),
    "certs show": ("fieldtool.cli.certs_shown:SHOW", "show a certificate, and what the level in use allows"),
    "certs revocations": ("fieldtool.cli.certs_shown:REVOCATIONS", "import and list revocation lists"),
    "certs trust": ("fieldtool.cli.certs_shown:TRUST", "install, list and remove trust anchors"),
    "certs clock": ("fieldtool.cli.certs:CLOCK", "show or settle what is thought of this computer's clock"),
    "certs remove": ("fieldtool.cli.certs:REMOVE", "forget a certificate with its key, or a request"),
    "meter": ("fieldtool.cli.meter:METER", "read out a meter, set it up, service it: `fieldtool meter actions`"),
    "profiles list": ("fieldtool.cli.profiles:LIST", "list the meter families that are known by name"),
    "profiles show": ("fieldtool.cli.profiles:SHOW", "show what is known of one meter family"),
    "profiles check": ("fieldtool.cli.profiles:CHECK", "check meter profiles of your own, and run their tests"),
    "simulate receiver": ("fieldtool.cli.simulate:RECEIVER", "run a simulated receiver with simulated meters"),
    "simulate meter": (
        "fieldtool.cli.simulate_meter:METER",
        "run a meter, wired or on the air, that checks certificates for itself",
    ),
    "simulate desk": (
        "fieldtool.cli.simulate_desk:DESK",
        "run a certificate desk: orders, tokens, signing, revocation",
    ),
    "simulate scenario": ("fieldtool.cli.simulate:SCENARIO", "list the meters of a scenario"),
}
"""Command words to where it is and one line of help; a command is imported when it is run."""

GROUPS = frozenset(name.split()[0] for name in COMMANDS if " " in name)
_LOOKS_LIKE_A_TELEGRAM = 16
_HEX = frozenset("0123456789abcdefABCDEFxX |_")


def load(name: str) -> Command:
    """Import a command of the table."""
    module_name, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(import_module(module_name), attribute)
    if not isinstance(command, Command):
        raise TypeError(f"{module_name}.{attribute} is no command")
    return command


def unknown_command(words: list[str]) -> UsageError:
    """Say that there is no such command, with the nearest one; long hex is never repeated, it may be a key."""
    word = " ".join(words)
    if any(len(w) >= _LOOKS_LIKE_A_TELEGRAM and set(w) <= _HEX for w in words):
        return UsageError("hex digits are no command", "to decode a telegram: fieldtool decode HEX [--key HEX]")
    known = [*COMMANDS, *GROUPS]
    near = get_close_matches(word, known, n=1) or get_close_matches(words[0], known, n=1)
    group = f"{words[0]} " if words[0] in GROUPS else ""
    useful = near and near[0] != words[0]
    hint = f"did you mean `fieldtool {near[0]}`?" if useful else f"see `fieldtool {group}--help`"
    return UsageError(f"there is no command {safe_text(word)!r}", hint)
