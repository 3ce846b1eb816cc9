"""Messages by a signed POST."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from qs.application.notification.ports import ChannelFailure, Message
from qs.infra.http.guarded import GuardedClient
from qs.infra.http.signing import PostFailed, SignedPosts


class _Body(msgspec.Struct):
    notification_id: str
    event_id: str
    recipient: str
    locale: str
    text: str
    link: str | None
    expires_at: datetime | None


class WebhookChannel:
    """Posts to one URL. With several secrets, as during rotation, each signs."""

    name = "webhook"
    needs_address = False

    def __init__(
        self, client: GuardedClient, url: str, secrets: Sequence[str], *, deadline: timedelta
    ) -> None:
        """Raises WebhookSecretUnusable."""
        self._url = url
        self._posts = SignedPosts(client, secrets, deadline=deadline)

    async def send(self, message: Message) -> str:
        body = msgspec.json.encode(
            _Body(
                notification_id=str(message.notification_id),
                event_id=str(message.event_id),
                recipient=message.recipient,
                locale=message.locale,
                text=message.text,
                link=message.link,
                expires_at=message.expires_at,
            )
        )
        try:
            return await self._posts.post(self._url, str(message.notification_id), body)
        except PostFailed as failure:
            raise ChannelFailure(
                failure.told, permanent=failure.permanent, retry_after=failure.retry_after
            ) from failure
