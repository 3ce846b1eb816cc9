"""Messages by e-mail."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Self

from qs.application.kernel.mailing import Mail, MailFailure
from qs.application.notification.ports import ChannelFailure, Message
from qs.domain.notification.addressing import is_staff
from qs.infra.mail.smtp import MailServer, SmtpMailer
from qs.infra.notification.channels.kit import Kit


class EmailChannel:
    """One connection per message; the Message-ID is made of the notification id and thus the same at every attempt.

    What somebody other than staff gets says how to stop it: by its own link, and by a mail to ``unsubscribe_mail``.
    """

    name = "email"
    needs_address = True

    def __init__(
        self, server: MailServer, *, deadline: timedelta, unsubscribe_mail: str | None = None
    ) -> None:
        self._mailer = SmtpMailer(server, deadline=deadline)
        self._unsubscribe_mail = unsubscribe_mail

    @classmethod
    def made_of(cls, kit: Kit) -> Self | None:
        if kit.mail is None:
            return None
        return cls(kit.mail, deadline=kit.deadline, unsubscribe_mail=kit.unsubscribe_mail)

    async def send(self, message: Message) -> str:
        mail = Mail(
            message.notification_id,
            message.address or "",
            message.subject,
            message.text,
            message.locale,
            tuple(self._ways_to_stop(message)),
        )
        try:
            return await self._mailer.send(mail)
        except MailFailure as failure:
            raise ChannelFailure(failure.told, permanent=failure.permanent) from failure

    def _ways_to_stop(self, message: Message) -> Iterator[str]:
        url = message.unsubscribe_url
        if url is not None:
            yield url
        if self._unsubscribe_mail is not None and not is_staff(message.recipient):
            # Whoever reads that mailbox finds the end of the link in the subject and opens it for the one who wrote.
            subject = "unsubscribe" if url is None else url.rpartition("/")[2]
            yield f"mailto:{self._unsubscribe_mail}?subject={subject}"
