"""Idempotency keys in PostgreSQL, each tenant's own under row-level security; leases and ages by the database's clock."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils.compat import uuid7

from qs.application.kernel.idempotency import (
    KEPT_FOR,
    LEASE,
    Answer,
    AnswerNotKept,
    Claim,
    IdempotencyMismatch,
    KeyOwner,
    RequestInFlight,
)
from qs.infra.postgres.ciphertexts import Ciphertext
from qs.infra.postgres.committing import commit
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

# A key whose first request died is taken over by its repetition, unless the work was committed.
_CLAIM = text(
    """
INSERT INTO idempotency_key AS k
    (tenant_id, principal, key, fingerprint, state, claim, lease_until, expires_at)
VALUES (:tenant_id, :principal, :key, :fingerprint, 'in_flight', :claim,
        clock_timestamp() + :lease, clock_timestamp() + :kept_for)
ON CONFLICT (tenant_id, principal, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, state = 'in_flight', claim = excluded.claim,
    lease_until = excluded.lease_until, expires_at = excluded.expires_at, created_at = clock_timestamp(),
    status = NULL, headers = NULL, body = NULL
WHERE k.expires_at <= clock_timestamp()
   OR (k.state = 'in_flight' AND k.lease_until <= clock_timestamp() AND k.fingerprint = excluded.fingerprint)
RETURNING claim
"""
)
_FIND = text(
    """
SELECT claim, fingerprint, state, status, headers, body, lease_until > clock_timestamp() AS leased FROM idempotency_key
WHERE tenant_id = :tenant_id AND principal = :principal AND key = :key
"""
)
_MARK = text(
    """
UPDATE idempotency_key SET state = 'carried_out'
WHERE tenant_id = :tenant_id AND principal = :principal AND key = :key AND claim = :claim
"""
)
_KEEP = text(
    """
UPDATE idempotency_key SET state = :state, status = :status, headers = CAST(:headers AS jsonb), body = :body
WHERE tenant_id = :tenant_id AND principal = :principal AND key = :key AND claim = :claim
"""
)
_FREE = text(
    """
DELETE FROM idempotency_key
WHERE tenant_id = :tenant_id AND principal = :principal AND key = :key AND claim = :claim AND state = 'in_flight'
"""
)
_END_LEASE = text(
    """
UPDATE idempotency_key SET lease_until = clock_timestamp()
WHERE tenant_id = :tenant_id AND principal = :principal AND key = :key AND claim = :claim
"""
)


# The answer to a creation says where the resource is, and ends with its id.
_FORGET = text(
    """
UPDATE idempotency_key SET state = 'secret', status = NULL, headers = NULL, body = NULL
WHERE tenant_id = :tenant_id AND state = 'done' AND headers ->> 'location' LIKE '%/' || CAST(:id AS text)
"""
)


class Cipher(Protocol):
    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes: ...

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes: ...


class SqlIdempotencyKeys:
    """Keys in the table ``idempotency_key``; a kept answer may name a person, so it is stored as ciphertext."""

    def __init__(self, engine: AsyncEngine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    async def claim(self, owner: KeyOwner, fingerprint: bytes) -> Claim | Answer:
        claim = Claim(owner, uuid7())
        try:
            claimed = await self._claim(claim, fingerprint)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # Cut off, it may have been claimed all the same. This waits for the end of a first attempt under way.
            claimed = await self._claim(claim, fingerprint)
        if claimed:
            return claim
        async with SqlUnitOfWork(self._engine, owner.tenant_id) as uow:
            row = (await uow.connection.execute(_FIND, _of(claim))).mappings().one_or_none()
        if row is not None and row["claim"] == claim.id:
            return claim
        if row is None:
            # Its request failed and freed it between the two statements; the repetition will claim it.
            raise RequestInFlight
        answer = _answer(row, fingerprint)
        return Answer(answer.status, answer.headers, self._cipher.decrypt(answer.body, _bound_to(owner)))

    async def _claim(self, claim: Claim, fingerprint: bytes) -> bool:
        values = {"fingerprint": fingerprint, "lease": LEASE, "kept_for": KEPT_FOR, **_of(claim)}
        async with SqlUnitOfWork(self._engine, claim.owner.tenant_id) as uow:
            claimed = await uow.connection.scalar(_CLAIM, values)
            await commit(uow.connection, "idempotency.claim")
        return claimed is not None

    async def mark(self, claim: Claim, connection: AsyncConnection, tenant_id: UUID) -> None:
        # Work of another tenant's is not this caller's creation, and the row is not visible there.
        if not claim.active or tenant_id != claim.owner.tenant_id:
            return
        if (await connection.execute(_MARK, _of(claim))).rowcount == 0:
            raise RequestInFlight

    async def keep(self, claim: Claim, answer: Answer | None) -> None:
        claim.active = False
        await self._execute(
            "idempotency.keep",
            claim,
            _KEEP,
            state="secret" if answer is None else "done",
            status=answer.status if answer else None,
            headers=msgspec.json.encode(dict(answer.headers)).decode() if answer else None,
            body=self._cipher.encrypt(answer.body, _bound_to(claim.owner)) if answer else None,
        )

    async def release(self, claim: Claim) -> None:
        claim.active = False
        if await self._execute("idempotency.free", claim, _FREE) == 0:
            await self._execute("idempotency.end_lease", claim, _END_LEASE)

    async def _execute(self, at: str, claim: Claim, statement: Any, **values: Any) -> int:
        """Rows written; cut off, it is done once more, which by the claim's id changes nothing where it was done."""
        try:
            return await self._once(at, claim, statement, values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return await self._once(at, claim, statement, values)

    async def _once(self, at: str, claim: Claim, statement: Any, values: Mapping[str, Any]) -> int:
        async with SqlUnitOfWork(self._engine, claim.owner.tenant_id) as uow:
            count: int = (await uow.connection.execute(statement, {**values, **_of(claim)})).rowcount
            await commit(uow.connection, at)
            return count


async def forget_creation(connection: AsyncConnection, tenant_id: UUID, resource_id: UUID) -> None:
    """The answer that told of the resource's creation is not given again; the key stays used."""
    await connection.execute(_FORGET, {"tenant_id": tenant_id, "id": str(resource_id)})


def _bound_to(owner: KeyOwner) -> bytes:
    return f"{owner.tenant_id}\n{owner.principal}\n{owner.key}".encode()


CIPHERTEXT = Ciphertext(
    table="idempotency_key",
    column="body",
    purpose="idempotency",
    key={"principal": "text", "key": "text"},
    bound_to=lambda tenant_id, row: _bound_to(KeyOwner(tenant_id, row.principal, row.key)),
    # A key is whatever its caller chose.
    told="claim",
)


def _of(claim: Claim) -> dict[str, Any]:
    owner = claim.owner
    return {"tenant_id": owner.tenant_id, "principal": owner.principal, "key": owner.key, "claim": claim.id}


def _answer(row: RowMapping, fingerprint: bytes) -> Answer:
    if row["fingerprint"] != fingerprint:
        raise IdempotencyMismatch
    if row["state"] == "done":
        return Answer(row["status"], row["headers"], row["body"])
    if row["state"] == "secret" or (row["state"] == "carried_out" and not row["leased"]):
        raise AnswerNotKept
    raise RequestInFlight
