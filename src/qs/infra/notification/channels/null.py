"""A channel that throws everything away, for trying things out; it says so, lest anybody wait for messages."""

from typing import Self

import structlog

from qs.application.notification.ports import Message
from qs.infra.notification.channels.kit import Kit

_log = structlog.get_logger()


class NullChannel:
    name = "null"
    needs_address = False

    def __init__(self) -> None:
        self._warned = False

    @classmethod
    def made_of(cls, kit: Kit) -> Self:
        return cls()

    async def send(self, message: Message) -> str:
        if not self._warned:
            self._warned = True
            _log.warning("notifications_discarded", channel=self.name, setting="notification.channels")
        return "discarded"
