"""The webhook context: endpoints of tenants, what they are sent, and who sends it."""

from dependency_injector import providers

from qs import making_webhooks as making
from qs.application.kernel.subscribing import Subscribing
from qs.application.webhook import fanning_out
from qs.application.webhook.history import WebhookHistory
from qs.application.webhook.keeping import WebhookKeeping
from qs.application.webhook.trying import WebhookTrying
from qs.container.foundation import Foundation
from qs.infra.auth.cipher import Cipher
from qs.infra.postgres.failures import is_away
from qs.infra.postgres.inbox import SqlDueAttempts
from qs.infra.redis.stream_reader import RedisStreamReader
from qs.infra.webhook.conditions import SqlWebhookConditions
from qs.infra.webhook.counts import RedisOutcomeCounts
from qs.infra.webhook.endpoints import CIPHERTEXT
from qs.infra.webhook.unit_of_work import SqlDueEndpoints, WebhookUnitsOfWork

_FANNED_OUT_AT_ONCE = 1000


class Webhooks(Foundation):
    """The part of the container that this context is made of."""

    webhook_uow = providers.Singleton(
        WebhookUnitsOfWork,
        Foundation.engine,
        providers.Singleton(Cipher, Foundation.keyring, CIPHERTEXT.purpose),
    )
    # Of its own: receivers that hang must not take the connections that messages to people need.
    webhook_http = providers.Singleton(making.make_client, Foundation.settings)
    webhook_counts = providers.Singleton(RedisOutcomeCounts, Foundation.redis.provider)
    webhook_conditions = providers.Singleton(SqlWebhookConditions, Foundation.engine)
    _receiver = providers.Singleton(making.make_receiver, Foundation.settings, webhook_http)
    webhook_keeping = providers.Singleton(
        WebhookKeeping,
        webhook_uow,
        providers.Singleton(making.make_url_check, Foundation.settings),
        Foundation.new_id,
        providers.Object(making.new_secret),
    )
    webhook_trying = providers.Singleton(
        WebhookTrying,
        webhook_uow,
        _receiver,
        webhook_counts,
        Foundation.new_id,
        limit=providers.Singleton(making.longest_call, Foundation.settings),
    )
    webhook_history = providers.Singleton(WebhookHistory, webhook_uow)
    webhook_fanning_out = providers.Singleton(
        Subscribing,
        providers.Singleton(fanning_out.FanningOut),
        webhook_uow,
        providers.Singleton(RedisStreamReader, Foundation.redis, fanning_out.SUBSCRIPTION),
        providers.Singleton(SqlDueAttempts, Foundation.engine),
        max_attempts=Foundation.settings.provided.events.max_attempts,
        batch=_FANNED_OUT_AT_ONCE,
        is_away=providers.Object(is_away),
    )
    webhook_sending = providers.Singleton(
        making.make_sending,
        Foundation.settings,
        webhook_uow,
        providers.Singleton(SqlDueEndpoints, Foundation.engine),
        _receiver,
        webhook_counts,
    )
