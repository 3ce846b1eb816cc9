"""What the doctor says of settings that production starts with and that somebody should have meant."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from qs.application.kernel.limiting import KINDS, NO_LIMIT
from qs.interface.cli.findings import Finding
from qs.settings import Settings
from qs.settings.checks import is_loopback
from qs.settings.keys import value_of


def production_findings(settings: Settings) -> Iterator[Finding]:
    """Notes on what is open or loud; none outside production."""
    if settings.env != "production":
        return
    if settings.log.level == "debug" and settings.database.log_sql:
        yield Finding(
            "log.level",
            "note",
            "debug, with every statement (database.log_sql)",
            "set QS_LOG_LEVEL=info and QS_DATABASE__LOG_SQL=false once you have seen what you looked for",
        )
    if settings.server.metrics_public and not is_loopback(settings.server.host):
        yield Finding(
            "server.metrics_public",
            "note",
            "true: /metrics answers everybody",
            "keep /metrics from the internet",
        )
    if "null" in settings.notification_channels:
        yield Finding(
            "notification.channels",
            "wrong",
            "null: what is sent over it is thrown away",
            "leave null out of notification.channels",
        )
    addresses = ("webhook.url", "sms.url", "wechat.base_url", "unsubscribe_url")
    for name in (*(f"notification.{each}" for each in addresses), "scheduler.defaults.webhook"):
        address = value_of(settings, name)
        if address is not None and _is_clear(address):
            yield Finding(
                name, "note", "not https: messages cross the network in clear", "use https://host/path"
            )
    if settings.entry.base_url and _sends_mails_without_end(settings):
        yield Finding(
            "notification.unsubscribe_url",
            "note",
            "missing: mails do not say how to stop them, which large mail providers ask for",
            "set it to where /unsubscribe of the API is reached from outside",
        )
    smtp = settings.smtp
    if smtp.host is not None and smtp.tls == "none" and not is_loopback(smtp.host):
        yield Finding(
            "smtp.tls", "note", "none: mails with links cross the network in clear", "use starttls or tls"
        )
    off = [name for name in KINDS if getattr(settings.limits, name) == NO_LIMIT]
    if off:
        yield Finding(
            "limits", "note", f"none for {', '.join(off)}", "set limits, unless a proxy before qs keeps them"
        )


def _sends_mails_without_end(settings: Settings) -> bool:
    return "email" in settings.notification_channels and settings.notification.unsubscribe_url is None


def _is_clear(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
