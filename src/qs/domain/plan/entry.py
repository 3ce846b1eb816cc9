"""The entry of an opened task: the credential a testee follows, composed when asked for and never stored."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

MAX_GENERATIONS = 32


@dataclass(slots=True, eq=False, repr=False)
class Entry:
    """Token, URL and expiry of one generation of one task's link.

    ``token`` and ``url`` are derived at each reading, so that an entry that nobody shows costs nothing and no
    representation of it can leak them.
    """

    task_id: UUID
    key_id: str
    generation: int
    expires_at: datetime
    _token: "Callable[[Entry], UUID]"
    _url: "Callable[[Entry, UUID], str]"

    @property
    def token(self) -> UUID:
        return self._token(self)

    @property
    def url(self) -> str:
        return self._url(self, self.token)
