"""The channels of one installation, by name."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from qs.application.notification.ports import Channel
from qs.infra.http.guarded import GuardedClient
from qs.infra.mail.smtp import MailServer
from qs.infra.notification.channels.email import EmailChannel
from qs.infra.notification.channels.log import LogChannel
from qs.infra.notification.channels.webhook import WebhookChannel

ADDRESSED = frozenset({EmailChannel.name})
"""The channels that need an address."""


def make_channels(
    names: Collection[str],
    client: GuardedClient,
    *,
    mail: MailServer | None,
    webhook_url: str | None,
    webhook_secrets: Sequence[str],
    deadline: timedelta,
) -> dict[str, Channel]:
    """Those of the names that are set up, and always the log, which stands in where staff have no contact."""
    channels: list[Channel] = [LogChannel()]
    if "webhook" in names and webhook_url is not None:
        channels.append(WebhookChannel(client, webhook_url, webhook_secrets, deadline=deadline))
    if "email" in names and mail is not None:
        channels.append(EmailChannel(mail, deadline=deadline))
    return {channel.name: channel for channel in channels}
