"""What stands under the secret key, all of it; the container says what goes with what."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.identity.ports import AccountDirectory
from qs.application.kernel.key_rotation import KeyRotation
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.auth.cipher import Cipher
from qs.infra.auth.keys import Keyring
from qs.infra.identity import staff_contacts
from qs.infra.plan import testees
from qs.infra.plan.entry_keys import SqlEntryKeys
from qs.infra.postgres import idempotency_keys
from qs.infra.postgres.ciphertexts import SqlCiphertexts
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.scheduler import stored_secrets
from qs.infra.webhook import endpoints

CIPHERTEXTS = (
    testees.CIPHERTEXT,
    staff_contacts.CIPHERTEXT,
    stored_secrets.CIPHERTEXT,
    idempotency_keys.CIPHERTEXT,
    endpoints.CIPHERTEXT,
)
"""Every column of the database that holds a ciphertext."""


def make_secret_units(engine: AsyncEngine, keyring: Keyring) -> stored_secrets.SecretUnitsOfWork:
    return stored_secrets.SecretUnitsOfWork(engine, Cipher(keyring, stored_secrets.CIPHERTEXT.purpose))


def make_key_rotation(
    engine: AsyncEngine, keyring: Keyring, directory: AccountDirectory, batch: int = 500
) -> KeyRotation:
    async def tenants() -> Sequence[UUID]:
        return [PLATFORM_TENANT, *(tenant.id for tenant in await directory.tenants())]

    return KeyRotation(
        [SqlCiphertexts(engine, each, Cipher(keyring, each.purpose)) for each in CIPHERTEXTS],
        SqlEntryKeys(engine),
        tenants,
        partial(SqlUnitOfWork, engine),
        keyring.ids,
        batch=batch,
    )
