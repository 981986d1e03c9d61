"""Topic filters of MQTT (MQTT Version 3.1.1, 4.7): which are well formed, and what they match."""

from __future__ import annotations

from itertools import zip_longest


def is_filter(text: str) -> bool:
    """Whether a text is a topic filter: `+` only as a whole level, `#` only as the last one."""
    levels = text.split("/")
    whole = all(level in ("+", "#") or not set(level) & {"+", "#"} for level in levels)
    return bool(text) and "\0" not in text and whole and "#" not in levels[:-1]


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter selects a topic; wildcards do not select topics that begin with `$`."""
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for pattern, level in zip_longest(wanted, levels):
        if pattern == "#":
            return True
        if pattern is None or level is None:
            # `a/#` selects `a` too, which the next round would see.
            return level is None and wanted[len(levels) :] == ["#"]
        if pattern not in ("+", level):
            return False
    return True
