"""Text messages through an HTTP gateway."""

from datetime import timedelta
from typing import Self

from qs.application.notification.ports import Accepted, ChannelFailure, Message
from qs.domain.notification.segments import segments
from qs.infra.http.guarded import CallFailed, GuardedClient
from qs.infra.http.signing import read_retry_after
from qs.infra.notification.channels.kit import Kit
from qs.infra.notification.channels.sms_gateway import SmsGateway


class SmsChannel:
    """The gateway gets the notification id, the same at every attempt, wherever its settings put ``{id}``."""

    name = "sms"
    needs_address = True

    def __init__(self, client: GuardedClient, gateway: SmsGateway, *, deadline: timedelta) -> None:
        self._client = client
        self._gateway = gateway
        self._deadline = deadline

    @classmethod
    def made_of(cls, kit: Kit) -> Self | None:
        return None if kit.sms is None else cls(kit.client, kit.sms, deadline=kit.deadline)

    async def send(self, message: Message) -> str:
        text = message.text.strip()
        self._refuse_what_is_too_long(text)
        request = self._gateway.request(
            to=_number(message), text=text, message_id=str(message.notification_id)
        )
        try:
            answer = await self._client.call(
                request.method, request.url, request.headers, request.body, deadline=self._deadline
            )
        except CallFailed as failure:
            raise ChannelFailure(failure.reason, permanent=failure.permanent) from failure
        verdict = self._gateway.judge(answer)
        if not verdict.accepted:
            retry_after = read_retry_after(answer.headers.get("retry-after"))
            raise ChannelFailure(verdict.told, permanent=verdict.permanent, retry_after=retry_after)
        return Accepted(verdict.told, verdict.provider_id)

    def _refuse_what_is_too_long(self, text: str) -> None:
        parts, most = segments(text), self._gateway.max_segments
        if parts > most:
            told = f"the text takes {parts} segments, and {most} are allowed (notification.sms.max_segments)"
            raise ChannelFailure(told, permanent=True, reason="too_long")


def _number(message: Message) -> str:
    """The number as a gateway wants it: digits and a leading plus."""
    return "".join(each for each in message.address or "" if each in "+0123456789")
