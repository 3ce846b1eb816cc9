"""Reading a tenant's audit log, and finding out whether it is what was sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from qs.application.kernel.audit_sealing import Head
from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.kernel.audit_chain import (
    GENESIS,
    AuditRecord,
    Seal,
    UnknownSealVersion,
    seal_hash,
)

MOST_LOOKED_AT = 10_000
SEALED_WITHIN = timedelta(minutes=10)
"""A record that is older and still not sealed is a finding: no relay runs, or somebody kept it from its place."""

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """``since`` and ``until`` bound when the record was written: from the one up to but without the other."""

    action: str | None = None
    actor: str | None = None
    subject_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditEntry(NamedTuple):
    """A record with its place in the chain and its hash; None for both until it is sealed."""

    record: AuditRecord
    seal: Seal | None
    hash: bytes | None


class AuditPage(NamedTuple):
    """``before`` is where the next page begins; None at the end of the log."""

    entries: Sequence[AuditEntry]
    before: UUID | None


class Place(NamedTuple):
    """One place of the chain as it is stored; ``record`` is None where the record it names is not there."""

    position: int
    version: int
    sealed_at: datetime
    hash: bytes
    audit_id: UUID
    record: AuditRecord | None


class Pending(NamedTuple):
    """Records without a place. ``overdue`` is the oldest written before some instant, ``lost`` one that is no more."""

    number: int
    overdue: tuple[UUID, datetime] | None
    lost: UUID | None


class AuditBook(Protocol):
    """The audit log of one tenant, in the running transaction."""

    async def page(self, which: AuditFilter, before: UUID | None, size: int, most: int) -> AuditPage:
        """The newest first. It looks at ``most`` records at most, so a page may be short and not the last."""

    async def places(self, after: int, limit: int) -> Sequence[Place]:
        """The next places of the chain, in order."""

    async def pending(self, older_than: timedelta) -> Pending: ...


class AuditUnitOfWork(UnitOfWork, Protocol):
    @property
    def book(self) -> AuditBook: ...


class AuditUnitOfWorkFactory(Protocol):
    def __call__(self, tenant_id: UUID) -> AuditUnitOfWork: ...


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first place where the log is not what was sealed, and why that is known; a record without a place has none."""

    position: int | None
    record_id: UUID | None
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``records`` places were found sound before the flaw, if there is one; ``head`` is the last of them."""

    records: int
    unsealed: int
    head: Head | None
    flaw: Flaw | None


class AuditReading:
    def __init__(self, unit_of_work: AuditUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def list(
        self, tenant_id: UUID, which: AuditFilter, *, before: UUID | None = None, size: int = 20
    ) -> AuditPage:
        """The newest first, going on from ``before``; a page may be short while ``before`` says that there is more."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.book.page(which, before, size, MOST_LOOKED_AT)

    async def verify(self, tenant_id: UUID, expected: Sequence[Head] = ()) -> Verdict:
        """Computes every hash of the chain anew; ``expected`` are heads that were told earlier and kept elsewhere."""
        walk = _Walk(expected)
        async with self._unit_of_work(tenant_id) as uow:
            pending = await uow.book.pending(SEALED_WITHIN)
            while walk.flaw is None and (places := await uow.book.places(walk.head.position, _PAGE)):
                for place in places:
                    walk.visit(place)
        walk.end(pending)
        head = walk.head if walk.head.position else None
        return Verdict(walk.head.position, pending.number, head, walk.flaw)


class _Walk:
    """From place to place, until the first that is not as it was sealed."""

    def __init__(self, expected: Sequence[Head]) -> None:
        self._expected = sorted(expected)
        self.head = Head(0, GENESIS)
        self.flaw: Flaw | None = None

    def visit(self, place: Place) -> None:
        if self.flaw is not None:
            return
        why = self._wrong_with(place)
        if why is not None:
            self.flaw = Flaw(place.position, place.audit_id, why)
            return
        self.head = Head(place.position, place.hash)

    def end(self, pending: Pending) -> None:
        if self.flaw is not None:
            return
        beyond = [each.position for each in self._expected if each.position > self.head.position]
        if beyond:
            why = f"the chain ends at {self.head.position}, and an expected head has position {beyond[-1]}: the end is cut off"
            self.flaw = Flaw(self.head.position + 1, None, why)
        elif pending.lost is not None:
            self.flaw = Flaw(None, pending.lost, "the record was written and is gone, and no chain has it")
        elif pending.overdue is not None:
            record_id, at = pending.overdue
            why = f"the record was written at {at.isoformat()} and is still not sealed; is a relay running?"
            self.flaw = Flaw(None, record_id, why)

    def _wrong_with(self, place: Place) -> str | None:
        if place.position != self.head.position + 1:
            return f"position {self.head.position + 1} is missing; the next there is {place.position}"
        if place.record is None:
            return "the record is gone"
        seal = Seal(place.version, place.position, self.head.hash, place.sealed_at)
        try:
            found = seal_hash(place.record, seal)
        except UnknownSealVersion:
            return f"it is sealed by version {place.version}, which this release does not know"
        if found != place.hash:
            return "the record, or its seal, is not what was sealed"
        for expected in self._expected:
            if expected.position == place.position and expected.hash != place.hash:
                return "the chain was made anew: its hash is not the one of the expected head"
        return None
