"""The option `--key`, the same for every command that decodes."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from fieldtool.keys.keys_text import parse_key
from protocols.model import Key


def add_key_option(parser: ArgumentParser) -> None:
    """Add `--key HEX`, repeatable, as a list of `Key`."""
    parser.add_argument(
        "--key", metavar="HEX", action="append", type=_key, default=[], help="try this key instead of the store's"
    )


def _key(text: str) -> Key:
    try:
        return parse_key(text, "--key")
    except ValueError as error:
        # argparse would repeat the text of a plain ValueError.
        raise ArgumentTypeError(str(error)) from None
