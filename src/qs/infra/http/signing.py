"""Signed POSTs, as https://www.standardwebhooks.com/ has it."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from standardwebhooks import Webhook

from qs.domain.kernel.errors import QsError
from qs.infra.http.guarded import Answer, CallFailed, GuardedClient

# The receiver will think differently later: timeout, conflict, too early, too many.
_PASSING = frozenset({408, 409, 425, 429})

# In bytes; the specification's bounds.
_SHORTEST_SECRET, _LONGEST_SECRET = 24, 64


class WebhookSecretUnusable(QsError):
    code = "settings.webhook_secret"
    sentence = (
        "a webhook secret is not 24 to 64 bytes in base64, so nothing can be signed with it; write "
        "notification.webhook.secrets as `whsec_` and the output of `openssl rand -base64 32`"
    )


class PostFailed(Exception):
    """A POST was not accepted, or nobody knows. ``told`` holds no address and no secret.

    ``status`` is that of the answer, None where there was none.
    """

    def __init__(
        self, told: str, *, permanent: bool, retry_after: timedelta | None = None, status: int | None = None
    ) -> None:
        super().__init__(told)
        self.status = status
        self.told = told
        self.permanent = permanent
        self.retry_after = retry_after


class SignedPosts:
    """POSTs JSON bodies. With several secrets, as during rotation, each signs."""

    def __init__(
        self,
        client: GuardedClient,
        secrets: Sequence[str],
        *,
        deadline: timedelta,
        content_type: str = "application/json",
    ) -> None:
        """Raises WebhookSecretUnusable."""
        self._client = client
        self._content_type = content_type
        self._signers = [_signer(secret) for secret in secrets]
        self._deadline = deadline

    async def post(self, url: str, message_id: str, body: bytes) -> str:
        """What the receiver that accepted it answered; a repeat has the same ``message_id``.

        Raises:
            PostFailed: it answered anything but 2xx, or not at all.
        """
        answer = await self.ask(url, message_id, body)
        told = f"HTTP {answer.status}"
        if 200 <= answer.status < 300:
            return told
        permanent = 300 <= answer.status < 500 and answer.status not in _PASSING
        retry_after = read_retry_after(answer.headers.get("retry-after"))
        raise PostFailed(told, permanent=permanent, retry_after=retry_after, status=answer.status)

    async def ask(self, url: str, message_id: str, body: bytes) -> Answer:
        """The receiver's answer, whatever its status. Raises PostFailed where there is none."""
        try:
            return await self._client.post(
                url, self._headers(message_id, body), body, deadline=self._deadline
            )
        except CallFailed as failure:
            raise PostFailed(failure.reason, permanent=failure.permanent) from failure

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        signatures = (signer.sign(message_id, now, body.decode()) for signer in self._signers)
        return {
            "Content-Type": self._content_type,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _signer(secret: str) -> Webhook:
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError as error:
        raise WebhookSecretUnusable from error
    if not _SHORTEST_SECRET <= len(key) <= _LONGEST_SECRET:
        raise WebhookSecretUnusable
    return Webhook(key)


def read_retry_after(value: str | None) -> timedelta | None:
    """Seconds or an HTTP date (RFC 9110 §10.2.3); None for anything else."""
    if value is None:
        return None
    try:
        if value.isascii() and value.isdigit():
            return timedelta(seconds=int(value[:9]))
        return max(parsedate_to_datetime(value[:64]) - datetime.now(UTC), timedelta(0))
    except (ValueError, TypeError, OverflowError):
        return None
