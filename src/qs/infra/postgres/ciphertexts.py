"""Columns of ciphertexts: which there are is said beside what writes them, how they are encrypted anew is said here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel import crash
from qs.application.kernel.key_rotation import UNREADABLE, Batch, Place
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

# Rows are locked as an update without new keys locks them, so that those that refer to them are not kept waiting.
_LOCK = " FOR NO KEY UPDATE"


class Cipher(Protocol):
    @property
    def current_header(self) -> bytes: ...

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes: ...

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes:
        """Raises a ValueError for what does not fit, a LookupError for a key that is not there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ciphertext:
    """One column. ``key`` are the columns, with their types, that name a row within its tenant.

    ``bound_to`` gives the associated data of a row from its tenant and its key; ``told`` is the column by which a row
    is named to people, who must not read what else a key may hold.
    """

    table: str
    column: str
    purpose: str
    key: Mapping[str, str]
    bound_to: Callable[[UUID, Row[Any]], bytes]
    told: str = "id"
    tenant: str = "tenant_id"

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


class SqlCiphertexts:
    """Implements Ciphertexts for one column."""

    def __init__(self, engine: AsyncEngine, ciphertext: Ciphertext, cipher: Cipher) -> None:
        self._engine = engine
        self._which = ciphertext
        self._cipher = cipher
        self.name = ciphertext.name

    async def count(self, tenant_id: UUID) -> Mapping[str, int]:
        which = self._which
        query = text(
            f"SELECT CASE WHEN length({which.column}) > 2 THEN"  # noqa: S608 - the names are the code's own
            f" substring({which.column} FROM 3 FOR get_byte({which.column}, 1)) END, count(*)"
            f" FROM {which.table} WHERE {which.tenant} = :tenant AND {which.column} IS NOT NULL GROUP BY 1"
        )
        counted: dict[str, int] = {}
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            for key_id, count in await uow.connection.execute(query, {"tenant": tenant_id}):
                shown = key_id.decode("ascii", "backslashreplace") if key_id else UNREADABLE
                counted[shown] = counted.get(shown, 0) + count
        return counted

    async def renew(self, tenant_id: UUID, after: Place | None, size: int) -> Batch:
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            found = await uow.connection.execute(self._next(after), self._values(tenant_id, after, size))
            rows = found.all()
            if not rows:
                return Batch(0, (), None)
            await crash.hit("key_rotation.after_read")
            renewed, unreadable = self._encrypted_anew(tenant_id, rows)
            if renewed:
                await uow.connection.execute(self._write(), self._written(tenant_id, renewed))
                await uow.commit("key_rotation.batch")
        is_last = len(rows) < size
        return Batch(len(renewed), unreadable, None if is_last else self._key_of(rows[-1]))

    def _encrypted_anew(
        self, tenant_id: UUID, rows: Sequence[Row[Any]]
    ) -> tuple[list[tuple[Place, bytes]], list[str]]:
        renewed, unreadable = [], []
        for row in rows:
            aad = self._which.bound_to(tenant_id, row)
            try:
                plaintext = self._cipher.decrypt(row.sealed, aad)
            except (ValueError, LookupError):
                unreadable.append(str(row.told))
            else:
                renewed.append((self._key_of(row), self._cipher.encrypt(plaintext, aad)))
        return renewed, unreadable

    def _next(self, after: Place | None) -> Any:
        which, names = self._which, ", ".join(self._which.key)
        beyond = ""
        if after is not None:
            given = ", ".join(f"CAST(:after{n} AS {kind})" for n, kind in enumerate(which.key.values()))
            beyond = f" AND ({names}) > ({given})"
        return text(
            f"SELECT {names}, {which.told} AS told, {which.column} AS sealed FROM {which.table}"  # noqa: S608 - as above
            f" WHERE {which.tenant} = :tenant AND {which.column} IS NOT NULL"
            f" AND substring({which.column} FROM 1 FOR :length) <> :header{beyond}"
            f" ORDER BY {names} LIMIT :size{_LOCK}"
        )

    def _values(self, tenant_id: UUID, after: Place | None, size: int) -> dict[str, Any]:
        header = self._cipher.current_header
        given = {f"after{n}": value for n, value in enumerate(after or ())}
        return {"tenant": tenant_id, "header": header, "length": len(header), "size": size, **given}

    def _write(self) -> Any:
        which = self._which
        arrays = ", ".join(f"CAST(:key{n} AS {kind}[])" for n, kind in enumerate(which.key.values()))
        same = " AND ".join(f"t.{name} = u.{name}" for name in which.key)
        return text(
            f"UPDATE {which.table} AS t SET {which.column} = u.renewed"  # noqa: S608 - as above
            f" FROM unnest({arrays}, CAST(:renewed AS bytea[])) AS u({', '.join(which.key)}, renewed)"
            f" WHERE t.{which.tenant} = :tenant AND {same}"
        )

    def _written(self, tenant_id: UUID, renewed: Sequence[tuple[Place, bytes]]) -> dict[str, Any]:
        keys = {f"key{n}": [key[n] for key, _ in renewed] for n in range(len(self._which.key))}
        return {"tenant": tenant_id, "renewed": [sealed for _, sealed in renewed], **keys}

    def _key_of(self, row: Row[Any]) -> Place:
        return tuple(getattr(row, name) for name in self._which.key)
