"""Messages to staff where they already talk to each other: DingTalk, Feishu, WeCom, Slack and what else apprise knows."""

from typing import Self

from qs.application.notification.ports import ChannelFailure, Message
from qs.domain.notification.addressing import is_staff
from qs.infra.notification.channels.apprise_posts import AppriseFailed, ApprisePosts
from qs.infra.notification.channels.kit import Kit


class AppriseChannel:
    """Addresses are apprise's own, as ``slack://…``. A repeated message cannot be told from the first one there."""

    name = "apprise"
    needs_address = True

    def __init__(self, posts: ApprisePosts) -> None:
        self._posts = posts

    @classmethod
    def made_of(cls, kit: Kit) -> Self | None:
        return None if kit.apprise is None else cls(kit.apprise)

    async def send(self, message: Message) -> str:
        if not is_staff(message.recipient):
            raise ChannelFailure("this channel is for staff", permanent=True)
        try:
            return await self._posts.send(message.address or "", message.subject, message.text)
        except AppriseFailed as failure:
            raise ChannelFailure(failure.told, permanent=failure.permanent) from failure
