"""What the channels of an installation are made of, as its settings have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, Self

from qs.application.notification.granting import GrantSpending
from qs.application.notification.ports import Message
from qs.infra.http.guarded import GuardedClient
from qs.infra.mail.smtp import MailServer
from qs.infra.notification.channels.apprise_posts import ApprisePosts
from qs.infra.notification.channels.sms_gateway import SmsGateway
from qs.infra.notification.channels.wechat_templates import WechatTemplates


@dataclass(frozen=True, slots=True)
class WebhookReceiver:
    """Where notifications are posted, and the secrets they are signed with, the first one first."""

    url: str
    secrets: Sequence[str]


@dataclass(frozen=True, slots=True)
class MiniProgram:
    """A WeChat mini-program: where its server API is, who it is there, and the templates it sends with.

    ``state`` is the version of it that messages open: ``formal``, ``trial`` or ``developer``.
    """

    base_url: str
    appid: str
    secret: str
    state: str
    templates: WechatTemplates


@dataclass(frozen=True, slots=True)
class Kit:
    """``deadline`` is that of one attempt. What is None is not set up, and neither is the channel that needs it."""

    client: GuardedClient
    deadline: timedelta
    mail: MailServer | None = None
    webhook: WebhookReceiver | None = None
    wechat: MiniProgram | None = None
    grants: GrantSpending | None = None
    apprise: ApprisePosts | None = None
    unsubscribe_mail: str | None = None
    sms: SmsGateway | None = None


class ChannelKind(Protocol):
    """A class of channels, such as can be made of a kit: what the table in ``choosing.py`` holds."""

    name: str
    needs_address: bool

    @classmethod
    def made_of(cls, kit: Kit) -> Self | None:
        """The channel, or None where it is not set up."""
        ...

    async def send(self, message: Message) -> str:
        """As ``Channel`` has it."""
        ...
