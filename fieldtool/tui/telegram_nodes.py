"""A telegram as a tree: layers, their records and fields, each with the bytes it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from fieldtool.tui.cells import value_text, words
from protocols.model import Function, Layer, Quality, Record, Span, Telegram
from protocols.plural import counted
from protocols.text import safe_text
from protocols.units import unit_symbol

NodeKey = tuple[str | int, ...]
"""The way to a node: the same in every telegram of the same layout."""

LAYER_TITLES: dict[str, str] = {
    "link": "link layer",
    "ell": "extended link layer",
    "nwl": "network layer",
    "afl": "authentication",
    "transport": "transport layer",
    "application": "application layer",
    "encrypted": "encrypted",
    "fragment": "fragment",
    "trailer": "trailer",
    "unknown": "unknown",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the tree; `start:end` are offsets into `Telegram.data`, all text is safe to show."""

    key: NodeKey
    start: int
    end: int
    label: str
    meaning: str
    clause: str = ""
    branch: bool = False
    record: int | None = None

    @property
    def depth(self) -> int:
        """0 for layers, 1 for records and fields, 2 for the fields of records."""
        return len(self.key) - 1

    @property
    def parents(self) -> tuple[NodeKey, ...]:
        """The keys of the nodes around it, outermost first."""
        return tuple(self.key[:length] for length in range(1, len(self.key)))


def telegram_nodes(telegram: Telegram) -> tuple[Node, ...]:
    """Return all nodes of a telegram, each before its children, in the order of the bytes."""
    nodes: list[Node] = []
    for number, layer in enumerate(telegram.layers):
        nodes.extend(_layer_nodes(telegram, number, layer))
    return tuple(nodes)


def leaf_at(nodes: Sequence[Node], offset: int) -> Node | None:
    """Return the innermost node that holds a byte, None when no node does."""
    return next((node for node in nodes if not node.branch and node.start <= offset < node.end), None)


def opened_at_first(nodes: Iterable[Node]) -> set[NodeKey]:
    """Return what is open before anyone opens or closes a branch: the records, else the layer that was reached last."""
    layers = [node for node in nodes if node.depth == 0]
    holding = [node for node in layers if node.label == LAYER_TITLES["application"]]
    return {node.key for node in holding or layers[-1:]}


def _layer_nodes(telegram: Telegram, number: int, layer: Layer) -> Iterable[Node]:
    key: NodeKey = (f"{number} {layer.name}",)
    size = layer.end - layer.start
    title = LAYER_TITLES.get(layer.name, safe_text(layer.name))
    yield Node(key, layer.start, layer.end, title, counted(size, "byte"), branch=True)
    spans = layer.spans(telegram.plain)
    position = 0
    for record, group in groupby(spans, key=lambda span: span.record):
        members = list(group)
        if record is None or record >= len(telegram.records):
            for span in members:
                yield _span_node((*key, position), span)
                position += 1
            continue
        record_key: NodeKey = (*key, f"record {record}")
        yield _record_node(record_key, telegram.records[record], members)
        for inner, span in enumerate(members):
            yield _span_node((*record_key, inner), span)


def _span_node(key: NodeKey, span: Span) -> Node:
    return Node(
        key,
        span.start,
        span.end,
        safe_text(span.name),
        safe_text(span.meaning),
        safe_text(span.clause),
        False,
        span.record,
    )


def _record_node(key: NodeKey, record: Record, spans: Sequence[Span]) -> Node:
    return Node(
        key,
        spans[0].start,
        spans[-1].end,
        words(record.name or record.quantity) or "record",
        record_text(record),
        branch=True,
        record=record.index,
    )


def record_text(record: Record) -> str:
    """Return the value of a record with its unit, and what sets it apart from the present total."""
    good = record.quality is Quality.GOOD and record.value is not None
    parts = [
        f"{value_text(record.value)} {safe_text(unit_symbol(record.unit))}".rstrip() if good else words(record.quality)
    ]
    if record.function is not Function.INSTANTANEOUS:
        parts.append(words(record.function))
    places = (("storage", record.storage), ("tariff", record.tariff), ("subunit", record.subunit))
    parts += [f"{word} {number}" for word, number in places if number]
    parts += [words(modifier) for modifier in record.modifiers]
    return ", ".join(parts)
