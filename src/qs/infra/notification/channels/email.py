"""Messages by e-mail."""

from datetime import timedelta

from qs.application.kernel.mailing import Mail, MailFailure
from qs.application.notification.ports import ChannelFailure, Message
from qs.infra.mail.smtp import MailServer, SmtpMailer


class EmailChannel:
    """One connection per message; the Message-ID is made of the notification id and thus the same at every attempt."""

    name = "email"
    needs_address = True

    def __init__(self, server: MailServer, *, deadline: timedelta) -> None:
        self._mailer = SmtpMailer(server, deadline=deadline)

    async def send(self, message: Message) -> str:
        mail = Mail(
            message.notification_id, message.address or "", message.subject, message.text, message.locale
        )
        try:
            return await self._mailer.send(mail)
        except MailFailure as failure:
            raise ChannelFailure(failure.told, permanent=failure.permanent) from failure
