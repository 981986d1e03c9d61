"""The option `--mqtt-password-file`, the same for every command that takes receivers."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace


def add_mqtt_option(parser: ArgumentParser) -> None:
    """Add `--mqtt-password-file FILE`."""
    parser.add_argument(
        "--mqtt-password-file",
        metavar="FILE",
        help="file with the password of the user in an MQTT address (else FIELDTOOL_MQTT_PASSWORD_FILE)",
    )


def receiver_defaults(arguments: Namespace) -> dict[str, str]:
    """Return the options that receivers' addresses need not repeat."""
    file = arguments.mqtt_password_file
    return {} if file is None else {"password-file": file}
