"""How notices leave: signed POSTs and e-mail."""

from datetime import timedelta

import msgspec

from qs.application.kernel.mailing import Mail, Mailer, MailFailure
from qs.application.scheduler.noticing import NoticeFailure
from qs.domain.scheduler.notice_texts import compose, language_of
from qs.domain.scheduler.notices import DEFAULT_WEBHOOK, Notice
from qs.infra.http.guarded import GuardedClient
from qs.infra.http.signing import PostFailed, SignedPosts

_GONE = "HTTP 410"


class WebhookCarrier:
    """Posts the body as it was put down, with the notice's id, signed with every secret; see docs/scheduler/notices.md."""

    def __init__(
        self,
        client: GuardedClient,
        secrets: tuple[str, ...],
        *,
        deadline: timedelta,
        default_url: str | None = None,
    ) -> None:
        """``default_url`` is the webhook of jobs that name none. Raises WebhookSecretUnusable."""
        self._posts = SignedPosts(client, secrets, deadline=deadline) if secrets else None
        self._default_url = default_url

    async def send(self, notice: Notice) -> None:
        if self._posts is None:
            raise NoticeFailure(
                "nothing can be signed without a secret; set notification.webhook.secrets", permanent=True
            )
        url = self._default_url if notice.address == DEFAULT_WEBHOOK else notice.address
        if url is None:
            raise NoticeFailure(f"{DEFAULT_WEBHOOK} is not set any more", permanent=True)
        body = msgspec.json.encode({"notice_id": str(notice.id), **notice.body})
        try:
            await self._posts.post(url, str(notice.id), body)
        except PostFailed as failure:
            reason = f"{_GONE}: the receiver is gone for good" if failure.told == _GONE else failure.told
            raise NoticeFailure(
                reason, permanent=failure.permanent, retry_after=failure.retry_after
            ) from failure


class MailCarrier:
    """Mails what the body says in words; the Message-ID is made of the notice's id."""

    def __init__(self, mailer: Mailer, *, lang: str, timezone: str) -> None:
        self._mailer = mailer
        self._language = language_of(lang)
        self._timezone = timezone

    async def send(self, notice: Notice) -> None:
        words = compose(notice.kind, notice.body, self._language, self._timezone)
        mail = Mail(notice.id, notice.address, words.subject, words.text, self._language)
        try:
            await self._mailer.send(mail)
        except MailFailure as failure:
            raise NoticeFailure(failure.told, permanent=failure.permanent) from failure
