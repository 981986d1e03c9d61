"""What `fieldtool meter` writes, as it was given with --set or in a list."""

from __future__ import annotations

from fieldtool.actions.plan import CHANGE_KEY
from fieldtool.errors import UsageError
from protocols.actions.parameters import Argument
from protocols.actions.table import ActionForm


def read_values(form: ActionForm, given: list[str]) -> dict[str, Argument]:
    """Return the values by name: a value alone where there is one parameter, else NAME=VALUE; `UsageError`."""
    values: dict[str, Argument] = {}
    by_name = {one.name: one for one in form.parameters}
    if given and (form.name == CHANGE_KEY or not by_name):
        what = "--key-file FILE gives the new key" if form.name == CHANGE_KEY else "leave it out"
        raise UsageError(f"{form.name} takes no --set", what)
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name.strip() not in by_name:
            name, value = next(iter(by_name)), text
        parameter = by_name[name.strip()]
        if parameter.name in values:
            raise UsageError(f"{form.name}: the {parameter.text} is given twice", "give it once")
        try:
            values[parameter.name] = parameter.read(value)
        except ValueError as error:
            raise UsageError(f"{form.name}: {error}", "see: fieldtool meter actions") from error
    return values
