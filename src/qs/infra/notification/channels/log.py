"""The log as a channel: what would have been sent to whom, by ids and the template's name, never the text or the link."""

from typing import Self

import structlog

from qs.application.notification.ports import Message
from qs.infra.notification.channels.kit import Kit

_log = structlog.get_logger()


class LogChannel:
    name = "log"
    needs_address = False

    @classmethod
    def made_of(cls, kit: Kit) -> Self:
        return cls()

    async def send(self, message: Message) -> str:
        _log.info(
            "notification_sent",
            notification_id=message.notification_id,
            event_id=message.event_id,
            task_id=message.task_id,
            recipient=message.recipient,
            template=message.template,
            locale=message.locale,
        )
        return "logged"
