"""A tenant's staff contacts, which are personal data and therefore ciphertext at rest."""

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.identity.tenant import StaffContact
from qs.infra.identity.tables import tenant
from qs.infra.postgres.ciphertexts import Ciphertext


class PersonalCipher(Protocol):
    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes: ...

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes: ...


_decode = msgspec.json.Decoder(tuple[StaffContact, ...]).decode


def seal(cipher: PersonalCipher, tenant_id: UUID, contacts: Iterable[StaffContact]) -> bytes:
    """The contacts as a JSON list of ``{channel, address}``, readable in that tenant's row only."""
    return cipher.encrypt(msgspec.json.encode(tuple(contacts)), _aad(tenant_id))


def unseal(cipher: PersonalCipher, tenant_id: UUID, sealed: bytes | None) -> tuple[StaffContact, ...]:
    """The contacts in that tenant's row; none where nothing was ever stored."""
    return () if sealed is None else _decode(cipher.decrypt(sealed, _aad(tenant_id)))


async def read_staff_contacts(
    connection: AsyncConnection, cipher: PersonalCipher, tenant_id: UUID
) -> tuple[StaffContact, ...]:
    """Whom to tell in that tenant, read in the caller's transaction; none without contacts or without the tenant."""
    query = select(tenant.c.staff_contacts).where(tenant.c.id == tenant_id)
    return unseal(cipher, tenant_id, await connection.scalar(query))


def _aad(tenant_id: UUID) -> bytes:
    return b"tenant.staff_contacts:" + tenant_id.bytes


CIPHERTEXT = Ciphertext(
    table="tenant",
    column="staff_contacts",
    purpose="personal",
    key={"id": "uuid"},
    bound_to=lambda tenant_id, row: _aad(tenant_id),
    tenant="id",
)
