"""Every finding of the doctor that is not "well": its code, how bad it is, what it means, and what to do about it.

`docs/operations/doctor.md` shows this table. A code never changes its meaning; one that is no longer found goes.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from qs.interface.cli.finding_codes_of_servers import OF_SERVERS
from qs.interface.cli.finding_codes_of_work import OF_WORK

Severity = Literal["ok", "note", "warning", "error"]


class Known(NamedTuple):
    """``error`` keeps qs from working as promised; a ``warning`` will, or lets somebody in; a ``note`` is to be known."""

    severity: Severity
    means: str
    todo: str


_OF_SETTINGS: Mapping[str, tuple[Severity, str, str]] = {
    "settings.invalid": ("error", "a setting cannot be used, so nothing starts", "correct the setting"),
    "settings.unknown": (
        "error",
        "a variable or key is no setting, usually a slip of the pen, so nothing starts",
        "correct its name, or remove it",
    ),
    "settings.file_open": (
        "warning",
        "the settings file holds secrets and every user of the machine can read it",
        "chmod 640 it, owned by root and the group of the service; or give secrets by QS_…_FILE",
    ),
    "env.not_production": (
        "warning",
        "QS_ENV is not production, though links lead to people elsewhere: weak secrets are let through, and business "
        "time can be moved",
        "set QS_ENV=production",
    ),
    "secret.missing": (
        "error",
        "there is no secret key, so no link can be made and no contact read",
        "set QS_SECRET_KEY or QS_SECRET_KEY_FILE to id:key",
    ),
    "secret.file_open": (
        "error",
        "a file that holds a secret can be read by every user of the machine",
        "chmod 600 it, owned by the user of the service",
    ),
    "secret.guessable": (
        "warning",
        "a secret is a sample or can be guessed; production would refuse it",
        "make a random one before real people are in the database",
    ),
    "entry.no_base_url": (
        "error",
        "links have no address that testees can open",
        "set QS_ENTRY_BASE_URL to the page that links should open",
    ),
    "entry.loopback": (
        "error",
        "links lead to the machine of whoever opens them",
        "set QS_ENTRY_BASE_URL to the address that testees reach, https://host/path",
    ),
    "entry.links_in_stream": (
        "note",
        "links are put into the event stream",
        "set QS_EVENTS_ENTRY_URL=false unless everybody who can read this Redis may hold the links",
    ),
    "address.loopback": (
        "warning",
        "an address that is put into messages leads to the machine of whoever opens it",
        "set it to the address that is reached from outside",
    ),
    "address.clear": (
        "warning",
        "messages go to an address without https, so they cross the network in clear",
        "use https://host/path",
    ),
    "proxy.not_trusted": (
        "warning",
        "a proxy must stand before the API, and server.trusted_proxies is empty: every caller counts as the proxy, in "
        "limits and in the log",
        "set server.trusted_proxies to the proxy's network, such as 127.0.0.1/32",
    ),
    "redis.open": (
        "warning",
        "Redis on another machine is reached without a password and without TLS",
        "set requirepass there, and use rediss://:password@host:port/0",
    ),
    "embedded.in_use": (
        "note",
        "embedded servers are in use, since no addresses of servers are set",
        "good for one machine; see `qs embedded`",
    ),
    "embedded.in_production": (
        "warning",
        "production runs on embedded servers, which nobody backs up by themselves",
        "set QS_DATABASE_URL and QS_REDIS_URL to servers of your own, or run `qs backup` each night",
    ),
    "grpc.missing": ("error", "server.grpc_port is set and gRPC is not installed", "pip install 'qs[grpc]'"),
    "log.every_statement": (
        "warning",
        "the log holds every statement",
        "set QS_LOG_LEVEL=info and QS_DATABASE__LOG_SQL=false once you have seen what you looked for",
    ),
    "metrics.public": (
        "note",
        "/metrics answers everybody who reaches the API",
        "keep /metrics from the internet, or turn server.metrics_public off and use the scope metrics:read",
    ),
    "limits.none": (
        "note",
        "some kind of call is not limited",
        "set limits, unless a proxy before qs keeps them",
    ),
    "channel.null": (
        "error",
        "what is sent over the channel null is thrown away",
        "leave null out of notification.channels",
    ),
    "channel.log_only": (
        "warning",
        "messages go to the log alone, so nobody is told anything",
        "set up a channel, such as smtp.host and smtp.from",
    ),
    "alerts.no_operator": (
        "note",
        "nobody hears by mail when the installation itself is in trouble",
        "set notification.alerts.operator_email",
    ),
    "mail.no_unsubscribe": (
        "note",
        "mails do not say how to stop them, which large mail providers ask for",
        "set notification.unsubscribe_url to where /unsubscribe of the API is reached from outside",
    ),
    "mail.clear": (
        "warning",
        "mails with links cross the network in clear",
        "set smtp.tls to starttls or tls",
    ),
    "mail.away": (
        "error",
        "the mail server does not answer, or does not take mails; they wait",
        "start it, let this machine reach it, or correct smtp.host and smtp.port",
    ),
    "mail.no_tls": (
        "error",
        "the mail server does not speak TLS as smtp.tls has it, or its certificate is not believed; mails wait",
        "set smtp.tls to tls (port 465) or starttls (port 587), or let its certificate be signed for smtp.host",
    ),
    "mail.login_refused": (
        "error",
        "the mail server refuses the login; mails wait",
        "correct smtp.username and smtp.password",
    ),
    "home.unwritable": (
        "error",
        "a folder that qs writes to cannot be written",
        "make it, and give it to the user of the service",
    ),
    "disk.full": (
        "error",
        "less than 3 % of a disk is left",
        "make room: old logs and backups, or a larger disk",
    ),
    "disk.filling": (
        "warning",
        "less than 10 % of a disk is left",
        "make room before it is full: old logs and backups, or a larger disk",
    ),
    "descriptors.few": (
        "warning",
        "a process may open too few files for its connections",
        "raise the limit: LimitNOFILE=65536 in the unit, or `ulimit -n 65536`",
    ),
    "certificate.ends": (
        "warning",
        "the certificate that the API serves ends within 14 days",
        "renew it, and restart the API: a renewed one is read at the next start",
    ),
    "certificate.ended": (
        "error",
        "the certificate that the API serves has ended, so nobody can call",
        "renew it, and restart the API",
    ),
    "check.unfinished": (
        "error",
        "a check did not end in time, so what it looks at hangs or is very slow",
        "look at that server or disk first; the other findings stand",
    ),
    "check.failed": ("error", "a check could not be carried out", "see what is said of the database"),
}

CODES: Mapping[str, Known] = {
    code: Known(*known) for code, known in {**_OF_SETTINGS, **OF_SERVERS, **OF_WORK}.items()
}
