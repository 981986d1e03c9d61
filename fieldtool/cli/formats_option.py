"""The option `--formats`, the same for every command that decodes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from fieldtool.cli import output
from fieldtool.kept.formats_file import FormatsFile, choose_formats, load_formats, save_formats
from protocols.mbus.compact import FormatLibrary


def add_formats_option(parser: ArgumentParser) -> None:
    """Add `--formats FILE`."""
    parser.add_argument(
        "--formats",
        metavar="FILE",
        help="where compact-frame formats are kept (else FIELDTOOL_FORMATS, else the data folder)",
    )


def formats_in_use(arguments: Namespace) -> FormatsFile:
    """Return the formats kept so far, and say when the file cannot be used."""
    known = load_formats(choose_formats(arguments.formats))
    if known.problem:
        output.talk(known.problem)
    return known


def keep_formats(known: FormatsFile, learned: FormatLibrary) -> None:
    """Keep what was learned, and say when that cannot be done."""
    problem = save_formats(known, learned)
    if problem:
        output.talk(problem)


def formats_when_needed(arguments: Namespace) -> Callable[[int], FormatLibrary | None]:
    """Return a search that reads the file when the first compact frame asks, and not before."""
    library: FormatLibrary | None = None

    def search(signature: int) -> FormatLibrary | None:
        nonlocal library
        if library is None:
            library = formats_in_use(arguments).library
        return library if library.get(signature) is not None else None

    return search
