"""Which events an endpoint asks for."""

from collections.abc import Iterable, Sequence

from qs.domain.webhook.errors import EventFilterUnknown

EVERYTHING = "*"


def lets_through(filters: Iterable[str], context: str, name: str) -> bool:
    """Whether one of the filters fits: a name, with or without its context, or the beginning of one and a ``*``."""
    full = f"{context}.{name}"
    return any(_fits(each, name) or _fits(each, full) for each in filters)


def check_filters(filters: Sequence[str], known: Iterable[tuple[str, str]]) -> None:
    """Raises EventFilterUnknown for the first that lets none of the ``known`` events, each a context and a name, through."""
    events = tuple(known)
    for index, each in enumerate(filters):
        if not any(lets_through((each,), context, name) for context, name in events):
            raise EventFilterUnknown(index)


def _fits(each: str, name: str) -> bool:
    return name.startswith(each[:-1]) if each.endswith("*") else name == each
