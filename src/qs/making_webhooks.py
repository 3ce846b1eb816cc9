"""How settings become what webhooks are sent with; the container says what goes with what."""

import base64
import secrets
from datetime import timedelta

from qs.application.webhook.ports import DueEndpoints, OutcomeCounter, Receiver, WebhookUnitOfWorkFactory
from qs.application.webhook.sending import WebhookSending
from qs.domain.webhook.retrying import RetryPolicy
from qs.infra.http.guarded import GuardedClient
from qs.infra.webhook.posting import SignedReceiver
from qs.infra.webhook.urls import GuardedUrls
from qs.settings import Settings

# A turn that began while there were few endpoints is wider than its share afterwards; nobody waits for a connection.
_CONNECTIONS_PER_CALL = 4
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as Standard Webhooks has it: ``whsec_`` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def make_client(settings: Settings) -> GuardedClient:
    return GuardedClient(
        settings.outbound.allow_networks,
        max_connections=settings.webhooks.concurrency * _CONNECTIONS_PER_CALL,
    )


def make_receiver(settings: Settings, client: GuardedClient) -> SignedReceiver:
    return SignedReceiver(client, deadline=timedelta(seconds=settings.webhooks.timeout_s))


def make_url_check(settings: Settings) -> GuardedUrls:
    return GuardedUrls(settings.outbound.allow_networks)


def longest_call(settings: Settings) -> timedelta:
    """A little more than the deadline of the call itself, which can tell better what did not answer."""
    return timedelta(seconds=settings.webhooks.timeout_s + 2)


def make_sending(
    settings: Settings,
    unit_of_work: WebhookUnitOfWorkFactory,
    due: DueEndpoints,
    receiver: Receiver,
    counter: OutcomeCounter,
) -> WebhookSending:
    webhooks = settings.webhooks
    policy = RetryPolicy(
        first=timedelta(seconds=webhooks.backoff_s),
        longest=timedelta(seconds=webhooks.backoff_max_s),
        give_up=timedelta(seconds=webhooks.give_up_s),
        probe_longest=timedelta(seconds=webhooks.probe_max_s),
    )
    return WebhookSending(
        unit_of_work,
        due,
        receiver,
        policy,
        counter,
        concurrency=webhooks.concurrency,
        per_endpoint=webhooks.per_endpoint,
        limit=longest_call(settings),
    )
