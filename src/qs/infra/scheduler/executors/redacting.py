"""Blacking secrets out of what attempts write, in every form in which a program is likely to repeat them."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import quote, quote_plus

from qs.application.scheduler.executors import Output, OutputStream, Secrets
from qs.domain.scheduler.secrets import SHORTEST_VALUE

BLACK = "****"

# A line of a key is as good as the key; a line such as `}` is none.
_SHORTEST_LINE = 12


class Redactions:
    """The secrets to black out, and all their forms."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._forms: tuple[bytes, ...] = ()

    def add(self, value: str) -> None:
        """From now on this value is blacked out."""
        if value in self._values:
            return
        self._values.add(value)
        forms = {*self._forms, *_forms(value)}
        # Of two that begin alike the longer one must be tried first, else its end stays legible.
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def text(self, text: str) -> str:
        """The text with every secret in it blacked out."""
        return self.data(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """The same of bytes."""
        for form in self._forms:
            data = data.replace(form, BLACK.encode())
        return data

    def unfinished(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of a secret whose rest is yet to come."""
        return max((_overlap(data, form) for form in self._forms), default=0)


class RedactingSecrets(Secrets, Protocol):
    """Secrets that also tell what to black out of bytes."""

    @property
    def redactions(self) -> Redactions: ...


class RedactingOutput:
    """An Output that holds no secret, not even one that arrives in two pieces.

    Bytes are passed on as they come, but for an end that may be the beginning of a secret: that waits for what comes
    next, or for ``flush``, which whoever made this calls once at the end.
    """

    def __init__(self, output: Output, redactions: Redactions) -> None:
        self._output = output
        self._redactions = redactions
        self._held: dict[OutputStream, bytes] = {}

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        known = self._redactions.data(self._held.pop(stream, b"") + data)
        held = self._redactions.unfinished(known)
        if held:
            self._held[stream] = known[-held:]
            known = known[:-held]
        if known:
            await self._output.write(known, stream)

    async def flush(self) -> None:
        """Passes on what was held back: nothing more will come."""
        while self._held:
            stream, data = self._held.popitem()
            await self._output.write(data, stream)


def _forms(value: str) -> Iterator[bytes]:
    pieces = [value, *(line for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE)]
    for piece in pieces:
        for text in (
            piece,
            piece.strip(),
            quote(piece, safe=""),
            quote(piece),
            quote_plus(piece),
            json.dumps(piece)[1:-1],
            json.dumps(piece, ensure_ascii=False)[1:-1],
        ):
            if len(text) >= SHORTEST_VALUE:
                yield text.encode()
                # Some write %2f for %2F.
                yield re.sub(rb"%[0-9A-F]{2}", lambda found: found[0].lower(), text.encode())
        yield from _encoded(piece.encode())
    yield value.encode().hex().encode()


def _encoded(value: bytes) -> Iterator[bytes]:
    """Base64 of the value alone and within more, as in ``user:password``, where it may begin at any of three places."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + value)
        # Characters that also hold bits of a neighbour are not the same everywhere.
        first = (0, 2, 3)[before]
        last = len(whole) - (0, 3, 2)[(before + len(value)) % 3]
        certain = whole[first:last]
        if len(certain) >= SHORTEST_VALUE:
            yield certain
            yield certain.translate(bytes.maketrans(b"+/", b"-_"))


def _overlap(data: bytes, form: bytes) -> int:
    """The length of the longest end of the data that is a beginning, but not the whole, of the form."""
    start = max(0, len(data) - len(form) + 1)
    while (start := data.find(form[:1], start)) != -1:
        if form.startswith(data[start:]):
            return len(data) - start
        start += 1
    return 0
