"""The table of levels and actions as the page docs/levels.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from keystore.certificates.levels import Capability, LevelTable

_HEAD = """# Levels: who may do what

Made from `keystore/certificates/levels.toml` by `python -m tools.levels`; change the table, not this page.

A certificate holds capabilities; a level is a named set of them. Reading needs no certificate. Each level includes
the one before it, except Test, which is separate and can be combined with any other (`service+test`). The levels are
this program's own: of UltraConnect's, only the name Consumer is known.
"""


def levels_page(table: LevelTable) -> str:
    """Return the page's text."""
    policy = table.policy
    overdue = table.levels[policy.overdue_level].title
    parts = [
        _HEAD,
        "## Capabilities\n",
        _grid(
            ("capability", "bit", "what it covers"),
            (
                (_name(one), str(one.value.bit_length() - 1), table.capability_texts[one])
                for one in table.capability_texts
            ),
        ),
        "## Levels\n",
        _grid(
            ("level", "capabilities", "certificate valid for", "for whom"),
            (
                (
                    level.title,
                    ", ".join(_name(one) for one in level.capabilities),
                    f"{level.validity.days} days" if level.validity else "no certificate",
                    level.text,
                )
                for level in table.levels.values()
            ),
        ),
        "## Actions\n",
        _grid(
            ("action", "what it does", "needs", *(level.title for level in table.levels.values())),
            (
                (
                    f"`{action.name}`",
                    action.text,
                    _name(action.needs),
                    *("yes" if action.needs in level.capabilities else "" for level in table.levels.values()),
                )
                for action in table.actions.values()
            ),
        ),
        "## Time\n",
        f"- A warning is shown with the certificate in use from {policy.warn_before.days} days before it expires.\n"
        f"- A revocation list that is overdue counts for another {policy.revocation_grace.days} days; after that the "
        f"level is at most {overdue}\n  until the next list is imported. Reading is never locked out.\n"
        f"- If the clock is set back by more than {policy.clock_back.total_seconds() / 3600:.0f} hours, the level "
        f"falls to {table.consumer.title}.\n"
        f"- A clock that is more than {policy.clock_ahead.days} days ahead of the latest time seen is believed only "
        "after you confirm it.\n",
    ]
    return "\n".join(parts)


def _name(capability: Capability) -> str:
    return str(capability.name).lower()


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
