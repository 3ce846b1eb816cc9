"""From records to the chain: every committed record gets its position and its hash once."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from qs.domain.kernel.audit_chain import GENESIS, VERSION, AuditRecord, Seal, seal_hash


class Head(NamedTuple):
    """Where a chain ends: the last position and its hash."""

    position: int
    hash: bytes


class Sealed(NamedTuple):
    """A record's place in the chain of its tenant."""

    record: AuditRecord
    seal: Seal
    hash: bytes


class SealingTurn(Protocol):
    """The right to seal, held by one process at a time until its transaction ends. ``at`` is when it began."""

    at: datetime

    async def unsealed(self, limit: int) -> Sequence[AuditRecord]:
        """Committed records that no chain has yet, each tenant's in the order of writing."""

    async def heads(self, tenant_ids: Sequence[UUID]) -> Mapping[UUID, Head]:
        """Where the chains of these tenants end; a tenant without one is left out."""

    async def seal(self, sealed: Sequence[Sealed]) -> None: ...

    async def commit(self, at: str) -> None: ...


class UnsealedAudit(Protocol):
    async def has_work(self) -> bool: ...

    async def waiting(self) -> timedelta:
        """How long the record that was written first waits for its place; nothing where none waits."""

    def turn(self) -> AbstractAsyncContextManager[SealingTurn | None]:
        """The turn, or None while another process has it."""


class AuditSealing:
    """Seals what was written; any number of processes may, and they take turns.

    1. A record is written in the transaction of what it tells of, without a place, so that no two writers of a tenant
       wait for one another.
    2. Whoever has the turn sees what is committed, and gives it the next places. What commits later gets later ones:
       a record that was committed before another was begun has the lower position.
    3. Places and hashes are one transaction; after a crash the same records are found unsealed again.
    """

    def __init__(self, unsealed: UnsealedAudit, *, batch: int = 1000) -> None:
        self._unsealed = unsealed
        self._batch = batch

    async def round(self) -> bool:
        """Seals at most a batch; True when there may be more at once."""
        if not await self._unsealed.has_work():
            return False
        async with self._unsealed.turn() as turn:
            if turn is None:
                return False
            records = await turn.unsealed(self._batch)
            heads = await turn.heads(list({record.tenant_id for record in records}))
            await turn.seal(_chained(records, heads, turn.at))
            await turn.commit("audit.seal")
        return len(records) == self._batch


def _chained(records: Sequence[AuditRecord], heads: Mapping[UUID, Head], at: datetime) -> list[Sealed]:
    ends = dict(heads)
    sealed = []
    for record in records:
        end = ends.get(record.tenant_id, Head(0, GENESIS))
        seal = Seal(VERSION, end.position + 1, end.hash, at)
        made = Sealed(record, seal, seal_hash(record, seal))
        ends[record.tenant_id] = Head(seal.position, made.hash)
        sealed.append(made)
    return sealed
