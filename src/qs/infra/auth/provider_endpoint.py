"""One address of the identity provider: what it answers is bounded in size and time, or it is away."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from qs.domain.identity.errors import ProviderAway
from qs.infra.http.guarded import CallFailed, GuardedClient

log = structlog.get_logger()

DEADLINE = timedelta(seconds=5)
ANYWHERE = ("0.0.0.0/0", "::/0")
"""The operator names the address, so that one of a private network is as good as any."""


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
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        try:
            answer = await self._client.call(method, self._url, sent, body, deadline=DEADLINE)
        except CallFailed as failure:
            raise _away(failure.reason) from failure
        if answer.status != 200:
            raise _away(f"status {answer.status}")
        if answer.truncated:
            raise _away("the answer is too large")
        try:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _away("the answer is no JSON object") from None


def _away(reason: str) -> ProviderAway:
    log.warning("identity_provider_away", reason=reason)
    return ProviderAway()
