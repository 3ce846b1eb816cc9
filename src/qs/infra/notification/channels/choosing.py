"""The channels there are, and those of one installation by name."""

from collections.abc import Collection

from qs.application.notification.ports import Channel
from qs.infra.notification.channels.apprise import AppriseChannel
from qs.infra.notification.channels.email import EmailChannel
from qs.infra.notification.channels.kit import ChannelKind, Kit
from qs.infra.notification.channels.log import LogChannel
from qs.infra.notification.channels.null import NullChannel
from qs.infra.notification.channels.sms import SmsChannel
from qs.infra.notification.channels.webhook import WebhookChannel
from qs.infra.notification.channels.wechat import WechatChannel

KINDS: tuple[type[ChannelKind], ...] = (
    LogChannel,
    WebhookChannel,
    EmailChannel,
    SmsChannel,
    WechatChannel,
    AppriseChannel,
    NullChannel,
)
"""Every channel; a new one is a line here."""

ADDRESSED = frozenset(kind.name for kind in KINDS if kind.needs_address)
"""The channels that need an address."""


def make_channels(names: Collection[str], kit: Kit) -> dict[str, Channel]:
    """Those of the names that are set up, and always the log, which stands in where staff have no contact."""
    wanted = {LogChannel.name, *names}
    made = (kind.made_of(kit) for kind in KINDS if kind.name in wanted)
    return {channel.name: channel for channel in made if channel is not None}
