"""Values in somebody else's JSON, by RFC 6901."""

from typing import Any

import msgspec


def read_document(body: bytes) -> Any:
    """The document; None where it is not one."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def find(document: Any, pointer: str) -> Any:
    """The value at the pointer, such as ``/Response/SendStatusSet/0/Code``; None where there is none."""
    found = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(found):
            found = found[int(name[:9])]
        else:
            return None
    return found


def find_text(document: Any, pointer: str) -> str | None:
    """The text, number or truth at the pointer as text; None for anything else."""
    found = find(document, pointer)
    if isinstance(found, bool):
        return str(found).lower()
    return str(found) if isinstance(found, (str, int, float)) else None
