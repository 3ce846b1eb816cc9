"""What a caller says beside the message: who they are, in which language they read, under which id they call."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from uuid_utils import uuid7

from qs.application.kernel.tracing import read_traceparent
from qs.interface.rest.guards import BadToken, NoToken
from qs.interface.rest.languages import Language, preferred
from qs.interface.rest.proxies import Header

REQUEST_ID = "x-request-id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def address_of(peer: str) -> str:
    """The address in ``ipv4:127.0.0.1:50000`` or ``ipv6:%5B::1%5D:50000``, as the server names its peers."""
    return unquote(peer.partition(":")[2]).rpartition(":")[0].strip("[]")


class Metadata:
    """The metadata of one call; where a name is given twice, what it says is nothing."""

    def __init__(self, pairs: Iterable[tuple[str, str | bytes]] | None) -> None:
        self._values: dict[str, list[str | bytes]] = {}
        for name, value in pairs or ():
            self._values.setdefault(name, []).append(value)

    def bearer_token(self) -> str:
        """The credential of ``authorization: Bearer …``.

        Raises:
            NoToken: there is none.
            BadToken: there are several.
        """
        values = self._values.get("authorization", [])
        if len(values) > 1:
            raise BadToken
        scheme, _, token = str(values[0]).strip().partition(" ") if values else ("", "", "")
        if scheme.lower() != "bearer":
            raise NoToken
        return token.strip(" ")

    def request_id(self) -> str:
        """The caller's ``x-request-id``, or a new one."""
        given = self._one(REQUEST_ID)
        return given if _REQUEST_ID.fullmatch(given) else str(uuid7())

    def traceparent(self) -> str | None:
        """That of the span which the call was made in, if it names one."""
        return read_traceparent(self._one("traceparent"))

    def headers(self) -> Iterator[Header]:
        """All of it as headers of HTTP."""
        for name, values in self._values.items():
            for value in values:
                yield name.encode(), value if isinstance(value, bytes) else value.encode()

    def language(self, default: Language) -> Language:
        """The language of ours that ``accept-language`` weighs highest."""
        return preferred(self._one("accept-language"), default)

    def _one(self, name: str) -> str:
        values = self._values.get(name, [])
        return str(values[0]) if len(values) == 1 else ""
