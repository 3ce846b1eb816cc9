"""One address of the identity provider: what it answers is bounded in size and time, or it is away."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec
import structlog

from qs.domain.identity.errors import ProviderAway
from qs.infra.http.guarded import CallFailed, GuardedClient

log = structlog.get_logger()

DEADLINE = timedelta(seconds=5)
ANYWHERE = ("0.0.0.0/0", "::/0")
"""The operator names the address, so that one of a private network is as good as any."""


class NoAnswer(Exception):
    """The provider did not answer as it must; ``reason`` says how, without the address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProviderAnswer(NamedTuple):
    """The object that it answered, and its clock at that moment (whole seconds) if it told."""

    content: dict[str, Any]
    at: datetime | None


class ProviderEndpoint:
    """Redirects are not followed and never an answer; neither is anything but 200 with a JSON object."""

    def __init__(self, client: GuardedClient, url: str) -> None:
        self._client = client
        self._url = url

    async def ask(
        self, method: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        """The object that it answers.

        Raises:
            ProviderAway: there is no such answer within 64 KiB and the deadline.
        """
        try:
            return (await self.answer(method, headers, body)).content
        except NoAnswer as failure:
            log.warning("identity_provider_away", reason=failure.reason)
            raise ProviderAway from failure

    async def answer(
        self, method: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> ProviderAnswer:
        """What it answers.

        Raises:
            NoAnswer: and why.
        """
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        try:
            answer = await self._client.call(method, self._url, sent, body, deadline=DEADLINE)
        except CallFailed as failure:
            raise NoAnswer(failure.reason) from failure
        if answer.status != 200:
            raise NoAnswer(f"status {answer.status}")
        if answer.truncated:
            raise NoAnswer("the answer is too large")
        try:
            content = msgspec.json.decode(answer.body, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise NoAnswer("the answer is no JSON object") from None
        return ProviderAnswer(content, _told_time(answer.headers.get("date", "")))


def _told_time(date: str) -> datetime | None:
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    # RFC 9110 §5.6.7 knows GMT only; what says nothing of its zone is not worth a guess.
    return told if told.tzinfo is not None else None
