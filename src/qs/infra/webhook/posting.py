"""CloudEvents by signed POST, structured mode of the HTTP binding (CloudEvents 1.0.2 §3.2)."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from qs.application.webhook.ports import Refusal
from qs.infra.http.guarded import GuardedClient
from qs.infra.http.signing import PostFailed, SignedPosts, read_retry_after

_CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


class SignedReceiver:
    """Implements Receiver. ``webhook-id`` is the event's id: a repeat has the same one, at each of a tenant's endpoints."""

    def __init__(self, client: GuardedClient, *, deadline: timedelta) -> None:
        self._client = client
        self._deadline = deadline

    async def post(self, url: str, secrets: Sequence[str], event_id: UUID, body: bytes) -> int:
        posts = SignedPosts(self._client, secrets, deadline=self._deadline, content_type=_CONTENT_TYPE)
        try:
            answer = await posts.ask(url, str(event_id), body)
        except PostFailed as failure:
            raise Refusal(failure.told) from failure
        if 200 <= answer.status < 300:
            return answer.status
        retry_after = read_retry_after(answer.headers.get("retry-after"))
        raise Refusal(f"HTTP {answer.status}", status=answer.status, retry_after=retry_after)
