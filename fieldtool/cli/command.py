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
    "listen": ("fieldtool.cli.listen:LISTEN", "receive and decode telegrams from the air"),
    "replay": ("fieldtool.cli.replay:REPLAY", "decode captures from files"),
    "report": ("fieldtool.cli.report:REPORT", "hold a list of meters against captures: read, failing, not heard"),
    "receivers list": ("fieldtool.cli.receivers:LIST", "list serial ports and the receivers that may be on them"),
    "receivers probe": ("fieldtool.cli.receivers:PROBE", "ask a port which receiver is on it"),
    "receivers doctor": (
        "fieldtool.cli.receivers_doctor:DOCTOR",
        "find out what stands between this computer and a receiver, and what to do",
    ),
    "store create": ("fieldtool.cli.store:CREATE", "make a new keystore"),
    "store info": ("fieldtool.cli.store:INFO", "show what a keystore reveals while it is locked"),
    "store verify": ("fieldtool.cli.store:VERIFY", "check every row of a keystore for alteration"),
    "store slots": ("fieldtool.cli.store_slots:SLOTS", "list what opens a keystore; add the keychain, remove a slot"),
    "store passphrase": ("fieldtool.cli.store_slots:PASSPHRASE", "change the passphrase, or add one"),
    "store recovery": ("fieldtool.cli.store_slots:RECOVERY", "make a recovery key to print"),
    "store backup": ("fieldtool.cli.store_backup:BACKUP", "write a keystore to one sealed file"),
    "store restore": ("fieldtool.cli.store_backup:RESTORE", "restore a keystore from a backup, and verify it"),
    "keys import": ("fieldtool.cli.keys_import:IMPORT", "import key files of portals and servers, and tables"),
    "keys export": ("fieldtool.cli.keys_export:EXPORT", "write keys into a file, for another program or owner"),
    "keys check": ("fieldtool.cli.keys_check:CHECK", "check the filed keys against a capture or live telegrams"),
    "keys list": ("fieldtool.cli.keys:LIST", "list the keys of the store, by check value"),
    "keys find": ("fieldtool.cli.keys:FIND", "find the keys of a meter"),
    "keys show": ("fieldtool.cli.keys:SHOW", "show all that is known of a meter's keys; with --reveal the keys too"),
    "keys lint": ("fieldtool.cli.keys_change:LINT", "find keys that protect nothing or look wrong"),
    "keys mark": ("fieldtool.cli.keys_change:MARK", "mark who owns a meter, or whether its keys may be used"),
    "keys remove": ("fieldtool.cli.keys_change:REMOVE", "remove a meter's keys"),
    "audit list": ("fieldtool.cli.audit:LIST", "list what was done with keys, certificates and meters"),
    "audit verify": ("fieldtool.cli.audit:VERIFY", "check that the audit log is whole"),
    "certs request": ("fieldtool.cli.certs:REQUEST", "make a key and a certificate request from a token"),
    "certs import": ("fieldtool.cli.certs:IMPORT", "import the certificate that answers a request"),
    "certs list": ("fieldtool.cli.certs_shown:LIST", "list certificates and requests, and the level in use"),
    "certs use": ("fieldtool.cli.certs:USE", "choose the certificate in use"),
    "certs show": ("fieldtool.cli.certs_shown:SHOW", "show a certificate, and what the level in use allows"),
    "certs revocations": ("fieldtool.cli.certs_shown:REVOCATIONS", "import and list revocation lists"),
    "certs trust": ("fieldtool.cli.certs_shown:TRUST", "install, list and remove trust anchors"),
    "certs clock": ("fieldtool.cli.certs:CLOCK", "show whether this computer's clock is believed, and settle it"),
    "certs remove": ("fieldtool.cli.certs:REMOVE", "delete a certificate with its key, or a request"),
    "meter": ("fieldtool.cli.meter:METER", "read out a meter, set it up, service it: `fieldtool meter actions`"),
    "profiles list": ("fieldtool.cli.profiles:LIST", "list the known meter families"),
    "profiles show": ("fieldtool.cli.profiles:SHOW", "show what is known of one meter family"),
    "profiles check": ("fieldtool.cli.profiles:CHECK", "check your own meter profiles, and run their tests"),
    "simulate receiver": ("fieldtool.cli.simulate:RECEIVER", "run a simulated receiver with simulated meters"),
    "simulate meter": (
        "fieldtool.cli.simulate_meter:METER",
        "run a simulated meter, wired or on the air, that checks certificates",
    ),
    "simulate desk": (
        "fieldtool.cli.simulate_desk:DESK",
        "run a simulated certificate desk: orders, tokens, signing, revocation",
    ),
    "simulate portal": (
        "fieldtool.cli.simulate_portal:PORTAL",
        "write the key files of simulated meters, as portals do",
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
        return UsageError("hex digits are not a command", "to decode a telegram: fieldtool decode HEX [--key HEX]")
    known = [*COMMANDS, *GROUPS]
    near = get_close_matches(word, known, n=1) or get_close_matches(words[0], known, n=1)
    group = f"{words[0]} " if words[0] in GROUPS else ""
    useful = near and near[0] != words[0]
    hint = f"did you mean `fieldtool {near[0]}`?" if useful else f"see `fieldtool {group}--help`"
    return UsageError(f"there is no command {safe_text(word)!r}", hint)
