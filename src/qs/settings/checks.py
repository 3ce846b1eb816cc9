"""Rules over the settings as a whole: what is not available yet, what belongs together, what production refuses."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from qs.domain.kernel.zones import zone_names
from qs.settings.channel_checks import find_channel_problems
from qs.settings.guessing import KEY_BITS, PASSWORD_BITS, has_known_password, is_guessable
from qs.settings.identity_checks import find_identity_problems, find_open_identity
from qs.settings.keys import value_of
from qs.settings.messaging_checks import find_messaging_problems
from qs.settings.mq_checks import find_mq_problems
from qs.settings.sections import Settings
from qs.settings.tls_checks import find_tls_problems

Problems = Iterator[tuple[str, str]]

AVAILABLE_ROLES = ("cron", "relay", "notifications", "statistics", "ticker", "executions")

_QUEUE_LIMIT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}=[1-9][0-9]{0,4}", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}){1,10}", re.ASCII)
_OWN_PATH = re.compile(
    r"/(?:api/v1|api/ecron-management/v1/job\w*|health|metrics|schema|entry|oauth2|queue)(?:/|$)"
)
_MAILBOX = re.compile(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,189}")
_SHORTEST_KEY = 32
_SHORTEST_PASSWORD = 12


def find_problems(settings: Settings) -> Problems:
    """Every rule the settings break, as (key, what is wrong and what is expected)."""
    yield from _not_available(settings)
    yield from _zones(settings)
    yield from _addresses(settings)
    yield from _server(settings)
    yield from _belonging_together(settings)
    yield from find_channel_problems(settings)
    yield from find_messaging_problems(settings)
    yield from find_mq_problems(settings)
    yield from find_identity_problems(settings)
    yield from _secret_key(settings)
    yield from _scheduler(settings)
    yield from _tracing(settings)
    if settings.env == "production":
        yield from _production(settings)
        yield from _open_in_production(settings)
        yield from find_open_identity(settings)


def is_loopback(host: str) -> bool:
    """Whether a server that listens there is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _not_available(settings: Settings) -> Problems:
    for role in settings.worker.roles:
        if role not in AVAILABLE_ROLES:
            yield "worker.roles", f"{role} is not available yet; expected {', '.join(AVAILABLE_ROLES)}"


def _zones(settings: Settings) -> Problems:
    if settings.timezone not in zone_names():
        yield "timezone", f"is {settings.timezone[:60]}; expected an IANA time zone such as Asia/Shanghai"


def _addresses(settings: Settings) -> Problems:
    rules = {
        "database.url": (("postgresql", "postgres", "postgresql+asyncpg"), "postgresql://user@host/database"),
        "database.migration_url": (
            ("postgresql", "postgres", "postgresql+asyncpg"),
            "postgresql://user@host/database",
        ),
        "redis.url": (("redis", "rediss", "unix"), "redis://host:6379/0"),
        "entry.base_url": (("http", "https"), "https://host/path"),
        "notification.webhook.url": (("http", "https"), "https://host/path"),
        "notification.sms.url": (("http", "https"), "https://host/path"),
        "notification.unsubscribe_url": (("http", "https"), "https://host/unsubscribe"),
        "notification.wechat.base_url": (("http", "https"), "https://api.weixin.qq.com"),
        "notification.alerts.api_url": (("http", "https"), "https://qs.example.org"),
        "scheduler.defaults.webhook": (("http", "https"), "https://host/path"),
        "auth.jwks_url": (("http", "https"), "https://host/path"),
        "auth.introspection_url": (("http", "https"), "https://host/path"),
        "tracing.endpoint": (("http", "https"), "http://127.0.0.1:4318"),
    }
    for name, (schemes, example) in rules.items():
        address = value_of(settings, name)
        if address is not None and not _is_address(address, schemes):
            yield name, f"is not an address of its kind; expected one such as {example}"
    operator = settings.notification.alerts.operator_email
    if operator is not None and not _MAILBOX.fullmatch(operator):
        yield "notification.alerts.operator_email", "is no mail address; expected one such as ops@example.org"
    for origin in settings.server.cors_origins:
        if origin != "*" and (not _is_address(origin, ("http", "https")) or urlsplit(origin).path):
            yield "server.cors_origins", f"is {origin[:60]}; expected origins such as https://app.example.org"


def _scheduler(settings: Settings) -> Problems:
    scheduler = settings.scheduler
    if scheduler.timezone is not None and scheduler.timezone not in zone_names():
        yield (
            "scheduler.timezone",
            f"is {scheduler.timezone[:60]}; expected an IANA time zone such as Asia/Shanghai",
        )
    for limit in scheduler.queues:
        if not _QUEUE_LIMIT.fullmatch(limit):
            yield "scheduler.queues", f"is {limit[:60]}; expected name=limit such as reports=2"
    path = scheduler.results_path
    if path is not None and (not _PATH.fullmatch(path) or _OWN_PATH.match(path)):
        yield (
            "scheduler.results_path",
            f"is {path[:60]}; expected a path that qs does not serve by itself, such as /api/cronsvr/v1/executionresult",
        )


def _tracing(settings: Settings) -> Problems:
    endpoint = settings.tracing.endpoint
    if endpoint is not None and re.search(r"[@?]", endpoint):
        yield (
            "tracing.endpoint",
            "holds a user or a query; expected neither: OTEL_EXPORTER_OTLP_HEADERS is for what a collector asks of its callers",
        )


def _is_address(address: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(address)
        port_is_readable = parts.port is None or parts.port >= 0
    except ValueError:
        return False
    if parts.scheme not in schemes or not port_is_readable or re.search(r"[\x00-\x20\x7f]", address):
        return False
    if parts.scheme in ("http", "https"):
        return bool(parts.hostname) and not parts.fragment
    return bool(parts.netloc or parts.path or parts.query)


def _server(settings: Settings) -> Problems:
    tls = settings.server.tls
    for name, file in (("server.tls.cert_file", tls.cert_file), ("server.tls.key_file", tls.key_file)):
        if file is None and (tls.cert_file or tls.key_file):
            yield name, "is missing; TLS needs both server.tls.cert_file and server.tls.key_file"
        elif file is not None and not file.is_file():
            yield name, f"is {file}, which is not a file; expected a PEM file"
    if tls.cert_file and tls.key_file and tls.cert_file.is_file() and tls.key_file.is_file():
        yield from find_tls_problems(tls.cert_file, tls.key_file)
    if settings.server.grpc_port and settings.server.grpc_port == settings.server.port:
        yield "server.grpc_port", f"is {settings.server.port}, where HTTP is served; expected another port"
    if re.search(r"[\s/@]", settings.server.host):
        yield "server.host", "expected a host name or an address such as 127.0.0.1, without a port"
    elif not is_loopback(settings.server.host) and settings.env != "production":
        yield from _open_outside_production(settings)


def _open_outside_production(settings: Settings) -> Problems:
    if settings.env == "development":
        yield (
            "server.host",
            f"is {settings.server.host}, and development listens on loopback only; expected 127.0.0.1, "
            "or env: production",
        )
    elif settings.secret_key is None:
        yield (
            "secret_key",
            f"is missing; outside loopback {settings.env} needs one too; expected id:key of 32 characters",
        )


def _belonging_together(settings: Settings) -> Problems:
    auth, retention, notification = settings.auth, settings.retention, settings.notification
    if (auth.admin_username is None) != (auth.admin_password is None):
        missing = "auth.admin_username" if auth.admin_username is None else "auth.admin_password"
        yield missing, "is missing; the first administrator needs a name and a password, or neither"
    if retention.inbox_days <= retention.outbox_days or retention.inbox_days * 24 <= retention.stream_hours:
        yield "retention.inbox_days", "expected more than retention.outbox_days and retention.stream_hours"
    if retention.messages_days < retention.inbox_days:
        yield (
            "retention.messages_days",
            "expected retention.inbox_days or more, so that no event is told of twice",
        )
    channels = settings.notification_channels
    if "webhook" in channels:
        if notification.webhook.url is None:
            yield "notification.webhook.url", "is missing; the webhook channel posts there"
        if not notification.webhook.secrets:
            yield "notification.webhook.secrets", "is missing; the webhook channel signs with the first"
    if "email" in channels:
        for name in ("smtp.host", "smtp.from"):
            if value_of(settings, name) is None:
                yield name, "is missing; the email channel needs it"
    if notification.backoff_max_s < notification.backoff_s:
        yield "notification.backoff_max_s", "expected at least notification.backoff_s"
    if settings.webhooks.backoff_max_s < settings.webhooks.backoff_s:
        yield "webhooks.backoff_max_s", "expected at least webhooks.backoff_s"
    if (settings.smtp.username is None) != (settings.smtp.password is None):
        missing = "smtp.username" if settings.smtp.username is None else "smtp.password"
        yield missing, "is missing; a mail login needs both smtp.username and smtp.password"


def _secret_key(settings: Settings) -> Problems:
    if settings.secret_key is None:
        return
    from qs.infra.auth.keys import Keyring, KeyringUnusable

    try:
        Keyring.parse(settings.secret_key)
    except KeyringUnusable as error:
        yield (
            "secret_key",
            f"{error}; `python3 -c 'import secrets; print(\"k1:\" + secrets.token_urlsafe(32))'` makes one",
        )


def _production(settings: Settings) -> Problems:
    if settings.secret_key is None:
        yield (
            "secret_key",
            "is missing; production needs id:key of its own (QS_SECRET_KEY or QS_SECRET_KEY_FILE)",
        )
    else:
        for pair in settings.secret_key.split(","):
            key_id, _, key = pair.strip().partition(":")
            # What is too short, or no pair and perhaps the key itself, is told elsewhere.
            if len(key) >= _SHORTEST_KEY and is_guessable(key, KEY_BITS):
                yield "secret_key", f"the key {key_id} can be guessed; expected a random one"
    password, own = settings.auth.admin_password, [settings.auth.admin_username or "admin"]
    if password is not None and (
        len(password) < _SHORTEST_PASSWORD or is_guessable(password, PASSWORD_BITS, own)
    ):
        yield (
            "auth.admin_password",
            f"can be guessed; expected {_SHORTEST_PASSWORD} characters or more, not a known one",
        )
    for secret in settings.notification.webhook.secrets:
        bare = secret.removeprefix("whsec_")
        if len(bare) < _SHORTEST_KEY or is_guessable(bare, KEY_BITS):
            yield (
                "notification.webhook.secrets",
                f"can be guessed; expected {_SHORTEST_KEY} random characters or more",
            )
    for name in ("database.url", "database.migration_url", "redis.url"):
        if has_known_password(value_of(settings, name) or ""):
            yield name, "holds a password that everybody knows; expected one of its own"


def _open_in_production(settings: Settings) -> Problems:
    """What would let others read along, or say who they are."""
    server = settings.server
    if not is_loopback(server.host) and server.tls.cert_file is None and not server.trusted_proxies:
        yield (
            "server.host",
            f"is {server.host} without TLS, so passwords and links would cross the network in clear; expected "
            "server.tls.cert_file and server.tls.key_file, or server.trusted_proxies where a proxy ends TLS, or 127.0.0.1",
        )
    if "*" in server.cors_origins:
        yield (
            "server.cors_origins",
            "is *, which lets every site call; expected the origins of your own pages",
        )
    for network in server.trusted_proxies:
        if ipaddress.ip_network(network).prefixlen == 0:
            yield (
                "server.trusted_proxies",
                f"is {network}, so anybody may say where they call from; expected the networks of your own proxies",
            )
    base = settings.entry.base_url or ""
    if _is_address(base, ("http",)) and not is_loopback(urlsplit(base).hostname or ""):
        yield (
            "entry.base_url",
            "is not https, so links would cross the network in clear; expected https://host/path",
        )
