"""A tenant keeps its webhook endpoints. A secret is shown when it is made and never again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from qs.application.kernel.preconditions import PreconditionFailed
from qs.application.webhook.fanning_out import PUBLISHED
from qs.application.webhook.ports import Locked, UrlCheck, WebhookUnitOfWork, WebhookUnitOfWorkFactory
from qs.domain.kernel.ids import IdGenerator
from qs.domain.webhook.endpoint import DisabledReason, Endpoint, Secrets
from qs.domain.webhook.errors import MOST_ENDPOINTS, TooManyWebhooks, WebhookAbsent
from qs.domain.webhook.filters import check_filters
from qs.domain.webhook.retrying import Health


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What is to be another; None leaves it as it is."""

    name: str | None = None
    url: str | None = None
    events: Sequence[str] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class NewSecret:
    """``secret`` is told this once."""

    endpoint: Endpoint
    secret: str


class WebhookKeeping:
    def __init__(
        self,
        unit_of_work: WebhookUnitOfWorkFactory,
        urls: UrlCheck,
        ids: IdGenerator,
        new_secret: Callable[[], str],
    ) -> None:
        self._unit_of_work = unit_of_work
        self._urls = urls
        self._ids = ids
        self._new_secret = new_secret

    async def list(self, tenant_id: UUID) -> Sequence[Endpoint]:
        """The oldest first."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.endpoints.all()

    async def get(self, tenant_id: UUID, endpoint_id: UUID) -> Endpoint:
        """Raises WebhookAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            endpoint = await uow.endpoints.get(endpoint_id)
        if endpoint is None:
            raise WebhookAbsent
        return endpoint

    async def create(
        self, tenant_id: UUID, name: str, url: str, events: Sequence[str], *, actor: str
    ) -> NewSecret:
        """An endpoint that gets what happens from now on.

        Raises:
            WebhookUrlRefused, EventFilterUnknown: qs would not call it, or never.
            TooManyWebhooks: the tenant has as many as it may.
        """
        check_filters(events, PUBLISHED)
        await self._urls.check(url)
        secret = self._new_secret()
        async with self._unit_of_work(tenant_id) as uow:
            if await uow.endpoints.count_locked() >= MOST_ENDPOINTS:
                raise TooManyWebhooks
            endpoint = await uow.endpoints.add(self._ids(), name, url, events, Secrets(secret))
            await uow.audit.add("webhook.created", "webhook", endpoint.id, actor=actor)
            await uow.commit("webhook.create")
        return NewSecret(endpoint, secret)

    async def change(
        self,
        tenant_id: UUID,
        endpoint_id: UUID,
        change: EndpointChange,
        *,
        actor: str,
        version: int | None = None,
    ) -> Endpoint:
        """The endpoint as it is now. Another URL, and being enabled again, make it one that never failed.

        Disabling it skips what waits.

        Raises:
            WebhookAbsent, WebhookUrlRefused, EventFilterUnknown, PreconditionFailed.
        """
        if change.events is not None:
            check_filters(change.events, PUBLISHED)
        if change.url is not None:
            await self._urls.check(change.url)
        async with self._unit_of_work(tenant_id) as uow:
            before = (await _locked(uow, endpoint_id, version)).endpoint
            enabled = before.enabled if change.enabled is None else change.enabled
            url = change.url or before.url
            is_new = url != before.url or (enabled and not before.enabled)
            after = await uow.endpoints.change(
                endpoint_id,
                name=change.name or before.name,
                url=url,
                events=list(before.events if change.events is None else change.events),
                disabled=None if enabled else before.disabled_reason or DisabledReason.MANUAL,
                health=Health() if is_new else before.health,
            )
            if before.enabled and not enabled:
                await uow.deliveries.skip_waiting(endpoint_id)
            named = ("name", "url", "events", "enabled")
            detail = {"fields": [each for each in named if getattr(change, each) is not None]}
            await uow.audit.add("webhook.changed", "webhook", endpoint_id, actor=actor, detail=detail)
            await uow.commit("webhook.change")
        return after

    async def rotate(
        self,
        tenant_id: UUID,
        endpoint_id: UUID,
        overlap: timedelta,
        *,
        actor: str,
        version: int | None = None,
    ) -> NewSecret:
        """A new secret signs first; the one before it signs too for ``overlap``, and an older one no more.

        Raises:
            WebhookAbsent, PreconditionFailed, WebhookSecretsUnreadable.
        """
        secret = self._new_secret()
        async with self._unit_of_work(tenant_id) as uow:
            locked = await _locked(uow, endpoint_id, version)
            current = (await uow.endpoints.secrets(endpoint_id)).current if overlap else None
            after = await uow.endpoints.set_secrets(
                endpoint_id, Secrets(secret, current), locked.now + overlap
            )
            detail = {"overlap_s": int(overlap.total_seconds())}
            await uow.audit.add("webhook.secret_rotated", "webhook", endpoint_id, actor=actor, detail=detail)
            await uow.commit("webhook.rotate")
        return NewSecret(after, secret)

    async def remove(
        self, tenant_id: UUID, endpoint_id: UUID, *, actor: str, version: int | None = None
    ) -> None:
        """It gets nothing more, and its history is gone with it. Raises WebhookAbsent, PreconditionFailed."""
        async with self._unit_of_work(tenant_id) as uow:
            await _locked(uow, endpoint_id, version)
            await uow.endpoints.remove(endpoint_id)
            await uow.audit.add("webhook.deleted", "webhook", endpoint_id, actor=actor)
            await uow.commit("webhook.remove")


async def _locked(uow: WebhookUnitOfWork, endpoint_id: UUID, version: int | None) -> Locked:
    locked = await uow.endpoints.lock(endpoint_id)
    if locked is None:
        raise WebhookAbsent
    if version is not None and locked.endpoint.version != version:
        raise PreconditionFailed
    return locked
