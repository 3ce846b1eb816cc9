"""What becomes of a message after it was handed over, as whoever carries it reports later."""

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class Report:
    """``detail`` is the carrier's code, such as ``5.1.1``; never a text, which may repeat an address."""

    fate: Fate
    detail: str | None = None

    @property
    def told(self) -> str:
        """What the ledger keeps of it, beside what was answered when the message was handed over."""
        return self.fate.value if self.detail is None else f"{self.fate} {self.detail}"

    @property
    def lost(self) -> bool:
        """Whether nobody got the message."""
        return self.fate is not Fate.DELIVERED
