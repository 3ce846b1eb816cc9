"""Testees in PostgreSQL; what identifies a person is stored as one ciphertext bound to the testee's id."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import func, select, text, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.plan.ports import Lock, Page
from qs.domain.plan.errors import ExternalIdTaken, StaleVersion
from qs.domain.plan.testee import Contact, Guardian, OptOut, Testee
from qs.infra.plan import tables
from qs.infra.postgres.ciphertexts import Ciphertext
from qs.infra.postgres.idempotency_keys import forget_creation


class Cipher(Protocol):
    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes: ...

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes: ...


class Personal(msgspec.Struct, omit_defaults=True):
    """What the ciphertext holds."""

    name: str | None = None
    contacts: tuple[Contact, ...] = ()
    guardians: tuple[Guardian, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Personal).decode
_opt_outs = msgspec.json.Decoder(tuple[OptOut, ...]).decode

_COLUMNS = (
    "id, tenant_id, external_id, personal, timezone, locale, opt_outs::text AS opt_outs, created_at, updated_at,"
    " erased_at, version"
)

# Two calls that bring the same external ids wait for each other at the unique index, so both go in one order.
_ADD = text(
    """
INSERT INTO testee (id, tenant_id, external_id, personal, timezone, locale, opt_outs, created_at, updated_at)
SELECT id, :tenant, external_id, personal, timezone, locale, opt_outs::jsonb, created_at, created_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:external_ids AS text[]), CAST(:personal AS bytea[]),
            CAST(:timezones AS text[]), CAST(:locales AS text[]), CAST(:opt_outs AS text[]),
            CAST(:created AS timestamptz[]))
     AS u(id, external_id, personal, timezone, locale, opt_outs, created_at)
ORDER BY external_id
"""
)


class SqlTesteeRepository:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID, cipher: Cipher) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._cipher = cipher

    async def get(self, testee_id: UUID, lock: Lock = Lock.NONE) -> Testee | None:
        query = text(f"SELECT {_COLUMNS} FROM testee WHERE tenant_id = :tenant AND id = :id {lock}")  # noqa: S608
        row = (
            await self._connection.execute(query, {"tenant": self._tenant_id, "id": testee_id})
        ).one_or_none()
        return self._testee(row) if row else None

    async def by_external_id(self, external_id: str) -> Testee | None:
        return (await self.many_by_external_id([external_id])).get(external_id)

    async def many_by_external_id(self, external_ids: Iterable[str]) -> Mapping[str, Testee]:
        query = text(
            f"SELECT {_COLUMNS} FROM testee"  # noqa: S608
            " WHERE tenant_id = :tenant AND external_id = ANY(CAST(:ids AS text[]))"
        )
        rows = await self._connection.execute(
            query, {"tenant": self._tenant_id, "ids": list(dict.fromkeys(external_ids))}
        )
        return {row.external_id: self._testee(row) for row in rows}

    async def lock_many(self, testee_ids: Iterable[UUID]) -> Mapping[UUID, Testee]:
        query = text(
            f"SELECT {_COLUMNS} FROM testee"  # noqa: S608
            " WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
        )
        rows = await self._connection.execute(
            query, {"tenant": self._tenant_id, "ids": list(dict.fromkeys(testee_ids))}
        )
        return {row.id: self._testee(row) for row in rows}

    async def timezones(self, testee_ids: Iterable[UUID]) -> Mapping[UUID, str | None]:
        query = select(tables.testee.c.id, tables.testee.c.timezone).where(
            tables.testee.c.tenant_id == self._tenant_id,
            tables.testee.c.id == func.any(list(dict.fromkeys(testee_ids))),
        )
        return {row.id: row.timezone for row in await self._connection.execute(query)}

    async def add_many(self, testees: Sequence[Testee]) -> None:
        if not testees:
            return
        try:
            await self._connection.execute(
                _ADD,
                {
                    "tenant": self._tenant_id,
                    "ids": [t.id for t in testees],
                    "external_ids": [t.external_id for t in testees],
                    "personal": [self._sealed(t) for t in testees],
                    "timezones": [t.timezone for t in testees],
                    "locales": [t.locale for t in testees],
                    "opt_outs": [_encode(t.opt_outs).decode() for t in testees],
                    "created": [t.created_at for t in testees],
                },
            )
        except IntegrityError as error:
            raise ExternalIdTaken from error

    async def save(self, testee: Testee) -> None:
        statement = (
            update(tables.testee)
            .where(
                tables.testee.c.tenant_id == self._tenant_id,
                tables.testee.c.id == testee.id,
                tables.testee.c.version == testee.version,
            )
            .values(
                external_id=testee.external_id,
                personal=None if testee.erased_at else self._sealed(testee),
                timezone=testee.timezone,
                locale=testee.locale,
                opt_outs=msgspec.to_builtins(testee.opt_outs),
                updated_at=testee.updated_at,
                erased_at=testee.erased_at,
                version=testee.version + 1,
            )
        )
        try:
            done = await self._connection.execute(statement)
        except IntegrityError as error:
            raise ExternalIdTaken from error
        if done.rowcount != 1:
            raise StaleVersion
        testee.version += 1

    async def forget_answers(self, testee_id: UUID) -> None:
        await forget_creation(self._connection, self._tenant_id, testee_id)

    async def list(self, page: Page, ids: Sequence[UUID] = ()) -> tuple[Sequence[Testee], int]:
        where = "FROM testee WHERE tenant_id = :tenant AND erased_at IS NULL"
        parameters: dict[str, Any] = {"tenant": self._tenant_id}
        if ids:
            where += " AND id = ANY(:ids)"
            parameters["ids"] = list(ids)
        query = text(f"SELECT {_COLUMNS} {where} ORDER BY id DESC LIMIT :size OFFSET :skip")
        bounds = {"size": page.size, "skip": (page.number - 1) * page.size}
        rows = (await self._connection.execute(query, parameters | bounds)).all()
        total = await self._connection.scalar(text(f"SELECT count(*) {where}"), parameters)
        return [self._testee(row) for row in rows], total or 0

    async def count(self) -> int:
        found = await self._connection.scalar(
            text("SELECT count(*) FROM testee WHERE tenant_id = :tenant AND erased_at IS NULL"),
            {"tenant": self._tenant_id},
        )
        return found or 0

    def _sealed(self, testee: Testee) -> bytes:
        personal = Personal(testee.name, testee.contacts, testee.guardians)
        return self._cipher.encrypt(_encode(personal), testee.id.bytes)

    def _testee(self, row: Row[Any]) -> Testee:
        personal = (
            _decode(self._cipher.decrypt(row.personal, row.id.bytes))
            if row.personal is not None
            else Personal()
        )
        return Testee(
            id=row.id,
            tenant_id=row.tenant_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
            external_id=row.external_id,
            name=personal.name,
            timezone=row.timezone,
            locale=row.locale,
            contacts=personal.contacts,
            guardians=personal.guardians,
            opt_outs=_opt_outs(row.opt_outs),
            erased_at=row.erased_at,
            version=row.version,
        )


CIPHERTEXT = Ciphertext(
    table="testee",
    column="personal",
    purpose="personal",
    key={"id": "uuid"},
    bound_to=lambda tenant_id, row: row.id.bytes,
)
