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
    for name in ("notification.webhook.url", "scheduler.defaults.webhook"):
        address = value_of(settings, name)
        if address is not None and _is_clear(address):
            yield Finding(
                name, "note", "not https: messages cross the network in clear", "use https://host/path"
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


def _is_clear(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
