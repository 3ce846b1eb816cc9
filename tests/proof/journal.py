"""What was sent and what was answered, kept in the test's own process, which no fault touches."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

Settled = Literal["repeated", "found", "absent", "let go"]

REFUSALS: Mapping[str, frozenset[str]] = {
    "enroll": frozenset({"enrollment.start_date_differs", "enrollment.entirely_past"}),
    "open": frozenset(
        {"task.invalid_transition", "task.not_due", "task.window_closed", "enrollment.not_active"}
    ),
    "submit": frozenset({"entry.expired", "entry.canceled"}),
    "cancel": frozenset({"task.invalid_transition"}),
    "reissue": frozenset({"task.not_open", "task.reissue_limit"}),
    "pause": frozenset({"enrollment.invalid_transition"}),
    "resume": frozenset({"enrollment.invalid_transition"}),
    "read_link": frozenset({"task.not_open"}),
    "read_entry": frozenset({"entry.expired", "entry.canceled"}),
}
"""By kind, the refusals that are right where a sweep moves the same tasks and time passes."""

RETURNED = frozenset({"idempotency.in_flight", "idempotency.answered_once", "testee.external_id_taken"})
"""Right to be told when a write is sent again because its answer was lost; what became of it must be looked up."""

LOOKED_UP = frozenset({"testee.absent"})
"""Right to be told by a look for what a lost write may have made."""


@dataclass
class Write:
    """One write that was sent; ``status`` None means that nothing was answered, so that its outcome was unknown.

    A bulk enrollment is one for each row. ``settled`` says how an unknown outcome became known: the same key was
    answered, or a reading found it done or not done, or it is a duty, which nobody needs to repeat by key.
    """

    kind: str
    subject: UUID | None
    key: str | None
    status: int | None
    sent_at: float
    answered_at: float | None
    tenant: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    settled: Settled | None = None

    @property
    def is_acknowledged(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def was_unknown(self) -> bool:
        """Whether its answer did not tell whether it was done: none came, or a failure of the server's."""
        return self.status is None or self.status >= 500


@dataclass
class Read:
    """One reading that was asked for; ``settling`` if it was a look for what became of a write."""

    kind: str
    status: int | None
    sent_at: float
    answered_at: float | None
    tenant: str
    error: str | None = None
    settling: bool = False


class Journal:
    """Everything in the order it was sent; it is in here before it goes out."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.reads: list[Read] = []

    def acknowledged(self) -> Iterator[Write]:
        """The writes that were answered with success."""
        return (write for write in self.writes if write.is_acknowledged)

    def done(self) -> Iterator[Write]:
        """Those, and the ones whose answer was lost and that a reading found done."""
        return (write for write in self.writes if write.is_acknowledged or write.settled == "found")

    def unknown(self) -> list[Write]:
        """The writes whose outcome was not known when they came back, or did not."""
        return [write for write in self.writes if write.was_unknown]

    def unsettled(self) -> list[Write]:
        """Those whose outcome is not known yet."""
        return [write for write in self.unknown() if write.settled is None]

    def server_errors(self) -> list[Write | Read]:
        """Writes and reads that were answered with 5xx."""
        sent: list[Write | Read] = [*self.writes, *self.reads]
        return [each for each in sent if each.status is not None and each.status >= 500]

    def surprises(self) -> list[Write | Read]:
        """Writes and reads that were answered with a refusal that no rule of the product explains here."""
        again = {write.key for write in self.unknown()}
        sent: list[Write | Read] = [*self.writes, *self.reads]
        return [
            each
            for each in sent
            if each.status is not None
            and 300 <= each.status < 500
            and not (isinstance(each, Write) and each.key in again and each.error in RETURNED)
            and not (isinstance(each, Read) and each.settling and each.error in LOOKED_UP)
            and each.error not in REFUSALS.get(each.kind, ())
        ]

    def by_kind(self) -> dict[str, Counter[int | None]]:
        """How often each kind of write and of read was answered with which status."""
        counts: dict[str, Counter[int | None]] = {}
        sent: list[Write | Read] = [*self.writes, *self.reads]
        for each in sent:
            counts.setdefault(each.kind, Counter())[each.status] += 1
        return counts

    def first_success_after(self, instant: float, kind: str | None = None) -> float | None:
        """The seconds from that instant (``time.monotonic``) to the next acknowledgement of a write; None so far."""
        answered = [
            write.answered_at
            for write in self.acknowledged()
            if write.answered_at is not None and write.answered_at >= instant and kind in (None, write.kind)
        ]
        return min(answered) - instant if answered else None

    def sent(self, write: Write) -> Write:
        """Notes a write that is about to go out."""
        self.writes.append(write)
        return write

    def asked(self, kind: str, tenant: str, *, settling: bool = False) -> Read:
        """Notes a read that is about to go out."""
        read = Read(kind, None, time.monotonic(), None, tenant, settling=settling)
        self.reads.append(read)
        return read
