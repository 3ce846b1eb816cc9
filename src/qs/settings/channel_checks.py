"""Rules over the settings of the channels that people are written to by."""

import re
from collections.abc import Iterator
from importlib.util import find_spec

from qs.settings.sections import Settings

_SCHEMA = re.compile(r"[a-z][a-z0-9+.-]{0,31}", re.ASCII)

Problems = Iterator[tuple[str, str]]


def find_channel_problems(settings: Settings) -> Problems:
    """What is missing or wrong of the channels in use, as (key, what is wrong and what is expected)."""
    yield from _wechat(settings)
    yield from _apprise(settings)


def _wechat(settings: Settings) -> Problems:
    wechat = settings.notification.wechat
    if "wechat" in settings.notification_channels:
        for name, value in (("appid", wechat.appid), ("secret", wechat.secret)):
            if value is None:
                yield f"notification.wechat.{name}", "is missing; the wechat channel needs it"
        if not wechat.templates:
            yield (
                "notification.wechat.templates",
                "is missing; the wechat channel sends what has a template; see docs/notifications/wechat.md",
            )
    if wechat.templates:
        from qs.infra.notification.channels.wechat_templates import template_problems

        for where, what in template_problems(wechat.templates, _messages()):
            yield f"notification.wechat.templates{where}", what


def _messages() -> list[str]:
    """The messages that go to testees and guardians."""
    from qs.domain.notification.texts import KINDS

    ours = [name for name in KINDS if name.startswith(("task_", "entry_"))]
    return [name for name in ours if not name.endswith(("_staff", "_sms")) and "_digest" not in name]


def _apprise(settings: Settings) -> Problems:
    schemas = settings.notification.apprise.schemas
    for schema in schemas:
        if not _SCHEMA.fullmatch(schema):
            yield (
                "notification.apprise.schemas",
                f"is {schema[:40]}; expected words such as slack or dingtalk",
            )
    if "apprise" not in settings.notification_channels:
        return
    if not schemas:
        yield (
            "notification.apprise.schemas",
            "is missing; expected the kinds of address to allow, such as slack",
        )
    if find_spec("apprise") is None:
        yield (
            "notification.apprise.schemas",
            "needs a package that is missing; pip install 'qs[staff-channels]', or leave it out",
        )
