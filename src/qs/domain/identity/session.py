"""A session: the chain of refresh tokens that began with one login, each of which works once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Standing(StrEnum):
    USABLE = "usable"
    REUSED = "reused"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One link of the chain, without the token itself. All tokens since one login share ``family``."""

    id: UUID
    user_id: UUID
    family: UUID
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    def standing(self, now: datetime) -> Standing:
        """``reused`` means that two parties hold the token, one of them a thief: the family must end.

        RFC 9700 §4.14.2.
        """
        if self.revoked_at is not None or now >= self.expires_at:
            return Standing.DEAD
        return Standing.USABLE if self.used_at is None else Standing.REUSED
