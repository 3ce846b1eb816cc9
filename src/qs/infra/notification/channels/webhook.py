"""Messages by a signed POST."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Self

import msgspec

from qs.application.notification.ports import ChannelFailure, Message
from qs.infra.http.guarded import GuardedClient
from qs.infra.http.signing import PostFailed, SignedPosts
from qs.infra.notification.channels.kit import Kit


class _Link(msgspec.Struct):
    task_id: str
    link: str
    expires_at: datetime


class _Body(msgspec.Struct, omit_defaults=True):
    """``links`` are there where one message is about several tasks; ``link`` is then the first of them to end."""

    notification_id: str
    event_id: str
    recipient: str
    locale: str
    text: str
    link: str | None
    expires_at: datetime | None
    links: tuple[_Link, ...] = ()


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

    @classmethod
    def made_of(cls, kit: Kit) -> Self | None:
        """Raises WebhookSecretUnusable."""
        if kit.webhook is None:
            return None
        return cls(kit.client, kit.webhook.url, kit.webhook.secrets, deadline=kit.deadline)

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
                links=tuple(_Link(str(each.task_id), each.url, each.expires_at) for each in message.links),
            )
        )
        try:
            return await self._posts.post(self._url, str(message.notification_id), body)
        except PostFailed as failure:
            raise ChannelFailure(
                failure.told,
                permanent=failure.permanent,
                retry_after=failure.retry_after,
                # RFC 9110 §15.5.11: it is not there any more and will not come back.
                reason="gone" if failure.status == HTTPStatus.GONE else "permanent_failure",
            ) from failure
