"""Webhook endpoints in PostgreSQL, their secrets as one ciphertext that opens in its own row only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.webhook.ports import Locked
from qs.domain.webhook.endpoint import DisabledReason, Endpoint, Secrets
from qs.domain.webhook.errors import WebhookSecretsUnreadable
from qs.domain.webhook.retrying import Health
from qs.infra.postgres.ciphertexts import Ciphertext

_COLUMNS = (
    "tenant_id, id, name, url, events, enabled, disabled_reason, disabled_at, previous_secret_until, failures,"
    " first_failure_at, paused_until, version, created_at"
)
_ALL = text(
    f"SELECT {_COLUMNS} FROM webhook_endpoint WHERE tenant_id = :tenant ORDER BY id"  # noqa: S608 - constants
)
_GET = text(f"SELECT {_COLUMNS} FROM webhook_endpoint WHERE tenant_id = :tenant AND id = :id")  # noqa: S608
_LOCK = text(
    f"SELECT {_COLUMNS}, clock_timestamp() AS now FROM webhook_endpoint"  # noqa: S608
    " WHERE tenant_id = :tenant AND id = :id FOR NO KEY UPDATE"
)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 0))")
_COUNT = text("SELECT count(*) FROM webhook_endpoint WHERE tenant_id = :tenant")
_ADD = text(
    f"INSERT INTO webhook_endpoint (tenant_id, id, name, url, events, secrets)"  # noqa: S608
    f" VALUES (:tenant, :id, :name, :url, :events, :secrets) RETURNING {_COLUMNS}"
)
_CHANGE = text(
    f"""
UPDATE webhook_endpoint
SET name = :name, url = :url, events = :events, enabled = CAST(:disabled AS text) IS NULL, disabled_reason = :disabled,
    disabled_at = CASE WHEN CAST(:disabled AS text) IS NOT NULL THEN coalesce(disabled_at, clock_timestamp()) END,
    failures = :failures, first_failure_at = :first_failure_at, paused_until = :paused_until, version = version + 1
WHERE tenant_id = :tenant AND id = :id
RETURNING {_COLUMNS}"""  # noqa: S608
)
_FARED = text(
    """
UPDATE webhook_endpoint
SET failures = :failures, first_failure_at = :first_failure_at, paused_until = :paused_until,
    version = version + CASE WHEN first_failure_at IS DISTINCT FROM CAST(:first_failure_at AS timestamptz) THEN 1 ELSE 0 END
WHERE tenant_id = :tenant AND id = :id"""
)
_SECRETS = text("SELECT secrets FROM webhook_endpoint WHERE tenant_id = :tenant AND id = :id")
_SET_SECRETS = text(
    "UPDATE webhook_endpoint SET secrets = :secrets, previous_secret_until = :until, version = version + 1"  # noqa: S608
    f" WHERE tenant_id = :tenant AND id = :id RETURNING {_COLUMNS}"
)
_REMOVE = text("DELETE FROM webhook_endpoint WHERE tenant_id = :tenant AND id = :id")

_decode = msgspec.json.Decoder(list[str]).decode


class Cipher(Protocol):
    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes: ...

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes: ...


class SqlEndpoints:
    """Implements EndpointRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID, cipher: Cipher) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._cipher = cipher

    async def all(self) -> Sequence[Endpoint]:
        rows = await self._connection.execute(_ALL, {"tenant": self._tenant_id})
        return [endpoint_of(row) for row in rows]

    async def get(self, endpoint_id: UUID) -> Endpoint | None:
        row = (await self._connection.execute(_GET, self._named(endpoint_id))).one_or_none()
        return None if row is None else endpoint_of(row)

    async def lock(self, endpoint_id: UUID) -> Locked | None:
        row = (await self._connection.execute(_LOCK, self._named(endpoint_id))).one_or_none()
        return None if row is None else Locked(endpoint_of(row), row.now)

    async def count_locked(self) -> int:
        await self._connection.execute(_ONE_AT_A_TIME, {"lock": f"qs.webhooks.{self._tenant_id}"})
        count: int = (await self._connection.execute(_COUNT, {"tenant": self._tenant_id})).scalar_one()
        return count

    async def add(
        self, endpoint_id: UUID, name: str, url: str, events: Sequence[str], secrets: Secrets
    ) -> Endpoint:
        values = {
            "name": name,
            "url": url,
            "events": list(events),
            "secrets": self._seal(endpoint_id, secrets),
        }
        return endpoint_of((await self._connection.execute(_ADD, self._named(endpoint_id) | values)).one())

    async def change(
        self,
        endpoint_id: UUID,
        *,
        name: str,
        url: str,
        events: Sequence[str],
        disabled: DisabledReason | None,
        health: Health,
    ) -> Endpoint:
        values = {
            "name": name,
            "url": url,
            "events": list(events),
            "disabled": None if disabled is None else disabled.value,
            **_written(health),
        }
        return endpoint_of((await self._connection.execute(_CHANGE, self._named(endpoint_id) | values)).one())

    async def fared(self, endpoint_id: UUID, health: Health) -> None:
        await self._connection.execute(_FARED, self._named(endpoint_id) | _written(health))

    async def secrets(self, endpoint_id: UUID) -> Secrets:
        sealed = (await self._connection.execute(_SECRETS, self._named(endpoint_id))).scalar_one()
        return open_secrets(self._cipher, self._tenant_id, endpoint_id, sealed)

    async def set_secrets(self, endpoint_id: UUID, secrets: Secrets, previous_until: datetime) -> Endpoint:
        until = None if secrets.previous is None else previous_until
        values = {"secrets": self._seal(endpoint_id, secrets), "until": until}
        row = (await self._connection.execute(_SET_SECRETS, self._named(endpoint_id) | values)).one()
        return endpoint_of(row)

    async def remove(self, endpoint_id: UUID) -> None:
        await self._connection.execute(_REMOVE, self._named(endpoint_id))

    def _named(self, endpoint_id: UUID) -> dict[str, Any]:
        return {"tenant": self._tenant_id, "id": endpoint_id}

    def _seal(self, endpoint_id: UUID, secrets: Secrets) -> bytes:
        kept = [each for each in (secrets.current, secrets.previous) if each is not None]
        return self._cipher.encrypt(msgspec.json.encode(kept), _bound_to(self._tenant_id, endpoint_id))


def open_secrets(cipher: Cipher, tenant_id: UUID, endpoint_id: UUID, sealed: bytes) -> Secrets:
    """Raises WebhookSecretsUnreadable."""
    try:
        return Secrets(*_decode(cipher.decrypt(sealed, _bound_to(tenant_id, endpoint_id))))
    except (ValueError, LookupError) as error:
        raise WebhookSecretsUnreadable from error


def endpoint_of(row: Any) -> Endpoint:
    return Endpoint(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        url=row.url,
        events=tuple(row.events),
        enabled=row.enabled,
        disabled_reason=None if row.disabled_reason is None else DisabledReason(row.disabled_reason),
        disabled_at=row.disabled_at,
        previous_secret_until=row.previous_secret_until,
        health=Health(row.failures, row.first_failure_at, row.paused_until),
        version=row.version,
        created_at=row.created_at,
    )


def _written(health: Health) -> dict[str, Any]:
    return {
        "failures": health.failures,
        "first_failure_at": health.first_failure_at,
        "paused_until": health.paused_until,
    }


def _bound_to(tenant_id: UUID, endpoint_id: UUID) -> bytes:
    return b"webhook_endpoint:" + tenant_id.bytes + endpoint_id.bytes


CIPHERTEXT = Ciphertext(
    table="webhook_endpoint",
    column="secrets",
    purpose="webhook",
    key={"id": "uuid"},
    bound_to=lambda tenant_id, row: _bound_to(tenant_id, row.id),
)
"""Where the secrets are; what they are encrypted for."""
