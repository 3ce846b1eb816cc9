"""What the doctor says of settings that production starts with and that somebody should have meant."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from qs.application.kernel.limiting import KINDS, NO_LIMIT
from qs.interface.cli.findings import Finding, found
from qs.settings import Settings
from qs.settings.checks import is_loopback
from qs.settings.keys import value_of

_POSTED_TO = ("webhook.url", "sms.url", "wechat.base_url", "unsubscribe_url")
_OF_THE_API = ("notification.unsubscribe_url", "notification.alerts.api_url")


def production_findings(settings: Settings) -> Iterator[Finding]:
    """What is open, loud, or heard by nobody; none outside production."""
    if settings.env != "production":
        return
    if settings.log.level == "debug" and settings.database.log_sql:
        yield found("log.every_statement", "log.level", "debug, with every statement (database.log_sql)")
    if settings.server.metrics_public and not is_loopback(settings.server.host):
        yield found("metrics.public", "server.metrics_public", "true: /metrics answers everybody")
    yield from _channels(settings)
    yield from _addresses(settings)
    yield from _proxies(settings)
    off = [name for name in KINDS if getattr(settings.limits, name) == NO_LIMIT]
    if off:
        yield found("limits.none", "limits", f"none for {', '.join(off)}")


def _channels(settings: Settings) -> Iterator[Finding]:
    channels = settings.notification_channels
    if "null" in channels:
        yield found("channel.null", "notification.channels", "null: what is sent over it is thrown away")
    if set(channels) == {"log"}:
        yield found("channel.log_only", "notification.channels", "log alone: nobody is told anything")
    if settings.notification.alerts.operator_email is None:
        yield found("alerts.no_operator", "notification.alerts.operator_email", "not set")
    if settings.entry.base_url and "email" in channels and settings.notification.unsubscribe_url is None:
        yield found(
            "mail.no_unsubscribe",
            "notification.unsubscribe_url",
            "missing: mails do not say how to stop them, which large mail providers ask for",
        )
    smtp = settings.smtp
    if smtp.host is not None and smtp.tls == "none" and not is_loopback(smtp.host):
        yield found("mail.clear", "smtp.tls", "none: mails with links cross the network in clear")


def _addresses(settings: Settings) -> Iterator[Finding]:
    for name in (*(f"notification.{each}" for each in _POSTED_TO), "scheduler.defaults.webhook"):
        address = value_of(settings, name)
        if address is not None and _is_clear(address):
            yield found("address.clear", name, "not https: messages cross the network in clear")
    for name in _OF_THE_API:
        address = value_of(settings, name)
        if address is not None and is_loopback(urlsplit(address).hostname or ""):
            yield found("address.loopback", name, f"is {address}, which is the machine of whoever opens it")
    url = urlsplit(settings.redis.url or "")
    if url.scheme == "redis" and not url.password and not is_loopback(url.hostname or "localhost"):
        yield found(
            "redis.open", "redis.url", f"{url.hostname} is reached without a password and without TLS"
        )


def _proxies(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    reached = [address for name in _OF_THE_API if (address := value_of(settings, name)) is not None]
    if urlsplit(settings.entry.base_url or "").path == "/entry":
        reached.append(settings.entry.base_url)
    # It speaks no TLS and is reached by https, so that what people reach is a proxy.
    behind = server.tls.cert_file is None and any(urlsplit(each).scheme == "https" for each in reached)
    if behind and not server.trusted_proxies:
        what = (
            f"empty, and the API on {server.host} is reached by https without speaking it, so through a proxy"
        )
        yield found("proxy.not_trusted", "server.trusted_proxies", what)


def _is_clear(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
