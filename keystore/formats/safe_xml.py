"""XML from outside: no DTD, no entities, any fault becomes one clear rejection; elements are read by local name."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from keystore.errors import ImportReason, ImportRejected


def dtd_refused(thing: str) -> ImportRejected:
    """Return the error of XML with a DTD: it could make the reader open other files, or grow without bounds."""
    return ImportRejected(
        ImportReason.FORBIDDEN_XML, f"{thing} declares a DTD or entities", "no key file needs them: do not trust it"
    )


def parse_xml(data: bytes, thing: str) -> Element:
    """Return the root element; `ImportRejected` with FORBIDDEN_XML for a DTD, with DAMAGED for anything unreadable."""
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise dtd_refused(thing) from None
    # LookupError and ValueError: an encoding that Python does not know, or that expat cannot take.
    except (ParseError, LookupError, ValueError):
        raise ImportRejected(ImportReason.DAMAGED, f"{thing} is not readable XML", "fetch the file again") from None
    return root


def local_name(element: Element) -> str:
    """Return an element's name without its namespace; comments and the like have none."""
    tag: object = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(element: Element) -> str:
    """Return an element's namespace, empty when it has none."""
    tag: object = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def descendants(element: Element, name: str, outside: str = "") -> Iterator[Element]:
    """Yield the elements of a local name at any depth below `element`, but not in elements `outside`, in order."""
    waiting = list(reversed(element))
    while waiting:
        child = waiting.pop()
        child_name = local_name(child)
        if child_name == name:
            yield child
        if not outside or child_name != outside:
            waiting.extend(reversed(child))


def text_below(element: Element, name: str, outside: str = "") -> str:
    """Return the first non-empty text of such an element, else an empty string."""
    return next((text for child in descendants(element, name, outside) if (text := (child.text or "").strip())), "")
