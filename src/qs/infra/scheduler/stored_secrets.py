"""Secrets of a tenant in PostgreSQL, each a ciphertext that opens in its own row only."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.domain.scheduler.secrets import StoredSecret
from qs.infra.postgres.ciphertexts import Ciphertext
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.scheduler.executors.secrets import SecretUnusable

_PUT = text(
    """
INSERT INTO secret (tenant_id, name, ciphertext) VALUES (:tenant, :name, :ciphertext)
ON CONFLICT (tenant_id, name) DO UPDATE
SET ciphertext = excluded.ciphertext, version = secret.version + 1, updated_at = clock_timestamp()
RETURNING name, version, created_at, updated_at
"""
)
_COLUMNS = "name, version, created_at, updated_at"
_GET = f"SELECT {_COLUMNS} FROM secret WHERE tenant_id = :tenant AND name = :name"  # noqa: S608 - constants
_ALL = text(f"SELECT {_COLUMNS} FROM secret WHERE tenant_id = :tenant ORDER BY name")  # noqa: S608 - constants
_VALUE = text("SELECT ciphertext FROM secret WHERE tenant_id = :tenant AND name = :name")
_REMOVE = text("DELETE FROM secret WHERE tenant_id = :tenant AND name = :name")
# A name is letters, digits and hyphens, so it means nothing else in a pattern.
_USED_BY = text(
    "SELECT name FROM job WHERE tenant_id = :tenant"
    " AND definition::text ~ ('secret://' || CAST(:name AS text) || '([^A-Za-z0-9_-]|$)') ORDER BY name LIMIT :most"
)
_MOST_USERS = 100


class Cipher(Protocol):
    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes: ...

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes: ...


class SqlSecrets:
    """Implements SecretRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID, cipher: Cipher) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._cipher = cipher

    async def put(self, name: str, value: str) -> StoredSecret:
        sealed = self._cipher.encrypt(value.encode(), _bound_to(self._tenant_id, name))
        rows = await self._connection.execute(_PUT, {**self._named(name), "ciphertext": sealed})
        return _secret(rows.one())

    async def get(self, name: str, *, lock: bool = False) -> StoredSecret | None:
        query = text(f"{_GET} FOR UPDATE" if lock else _GET)
        row = (await self._connection.execute(query, self._named(name))).one_or_none()
        return None if row is None else _secret(row)

    async def value(self, name: str) -> str | None:
        """The value itself, for a job that is about to run.

        Raises:
            SecretUnusable: none of the keys opens it.
        """
        sealed = await self._connection.scalar(_VALUE, self._named(name))
        if sealed is None:
            return None
        try:
            return self._cipher.decrypt(sealed, _bound_to(self._tenant_id, name)).decode()
        except (ValueError, LookupError) as error:
            raise SecretUnusable(name, "cannot be read with the keys of QS_SECRET_KEY") from error

    async def all(self) -> Sequence[StoredSecret]:
        rows = await self._connection.execute(_ALL, {"tenant": self._tenant_id})
        return [_secret(row) for row in rows]

    async def remove(self, name: str) -> None:
        await self._connection.execute(_REMOVE, self._named(name))

    async def used_by(self, name: str) -> Sequence[str]:
        return list(await self._connection.scalars(_USED_BY, {**self._named(name), "most": _MOST_USERS}))

    def _named(self, name: str) -> dict[str, Any]:
        return {"tenant": self._tenant_id, "name": name}


class SqlSecretUnitOfWork(SqlUnitOfWork):
    secrets: SqlSecrets

    def __init__(self, engine: AsyncEngine, tenant_id: UUID, cipher: Cipher) -> None:
        super().__init__(engine, tenant_id)
        self._cipher = cipher

    def bind(self, connection: AsyncConnection) -> None:
        self.secrets = SqlSecrets(connection, self.tenant_id, self._cipher)


class SecretUnitsOfWork:
    """Makes a unit of work for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def __call__(self, tenant_id: UUID) -> SqlSecretUnitOfWork:
        return SqlSecretUnitOfWork(self._engine, tenant_id, self._cipher)


class StoredSecretReader:
    """What jobs look stored secrets up by."""

    def __init__(self, unit_of_work: SecretUnitsOfWork) -> None:
        self._unit_of_work = unit_of_work

    async def find(self, tenant_id: UUID, name: str) -> str | None:
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.secrets.value(name)


def _bound_to(tenant_id: UUID, name: str) -> bytes:
    return b"secret:" + tenant_id.bytes + name.encode()


def _secret(row: Any) -> StoredSecret:
    return StoredSecret(row.name, row.version, row.created_at, row.updated_at)


CIPHERTEXT = Ciphertext(
    table="secret",
    column="ciphertext",
    purpose="secret",
    key={"name": "text"},
    bound_to=lambda tenant_id, row: _bound_to(tenant_id, row.name),
    told="name",
)
