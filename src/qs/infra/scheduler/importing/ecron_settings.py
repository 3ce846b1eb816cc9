"""The settings of ECron (cronsvr.yaml, cronsvr-secret.yaml) in ours, with its environment over them."""

from collections.abc import Mapping
from typing import Any

from qs.infra.scheduler.importing import settings_values as values
from qs.infra.scheduler.importing.settings_files import read_settings
from qs.infra.scheduler.importing.settings_sheet import Given, ImportedSettings, Sheet, plain

VARIABLES = ("ECRON_DB_ADDR", "ECRON_DB_PORT", "ECRON_DB_NAME", "ECRON_MQ_HOST", "ECRON_CRON_PORT")

_SLEEPS = ("analysis_load", "analysis_refresh", "job_status_refresh", "msmq_client_op", "db_client_ping")
_LANGUAGES = {"zh_cn": "zh_CN", "zh_tw": "zh_CN", "zh": "zh_CN", "en_us": "en", "en": "en"}


def import_ecron_settings(content: bytes, environ: Mapping[str, str] | None = None) -> ImportedSettings:
    """Its YAML, or a file of ``ECRON_…=value`` lines; ``environ`` stands over it, as it does in ECron.

    Raises:
        ImportRefused: it is no settings file; with the line.
    """
    given = {key.removeprefix("ecron"): each for key, each in read_settings(content).items()}
    for variable in VARIABLES:
        if value := (environ or {}).get(variable):
            given[plain(variable.removeprefix("ECRON_"))] = Given(value, variable, None)
    sheet = Sheet(given)
    sheet.to("lang", "lang", read=_language)
    _server(sheet)
    _jobs(sheet)
    _database(sheet)
    _broker(sheet)
    _oauth(sheet)
    sheet.nothing(
        "nodes have no ids to configure", "analysis_service_id", "management_service_id", "system_id"
    )
    sheet.nothing("nothing polls; changes are announced", *(f"{name}_sleep" for name in _SLEEPS))
    sheet.nothing("nothing polls; changes are announced", "lost_immediate_job_sleep", "token_refresh_sleep")
    return sheet.imported()


def _language(value: Any) -> str:
    if (found := _LANGUAGES.get(str(value).lower().replace("-", "_"))) is None:
        raise ValueError("zh_CN or en_US")
    return found


def _server(sheet: Sheet) -> None:
    host, port = sheet.take("cron_addr"), sheet.take("cron_port")
    if host or port:
        given = port or host
        try:
            sheet.set(
                "server.addr", values.address(f"{host.value if host else ''}:{port.value if port else 8080}")
            )
        except ValueError as error:
            sheet.note(given, f"expected {error}", "set server.addr by hand")
    ssl, cert, key = sheet.take("ssl_on"), sheet.take("cert_file"), sheet.take("key_file")
    if ssl and str(ssl.value).lower() == "true" and cert and key:
        sheet.set("server.tls", {"cert_file": str(cert.value), "key_file": str(key.value)})
    elif cert or key:
        sheet.note(
            cert or key,
            "ssl_on is not true, so they were not used",
            "set server.tls to use them",
            needs_person=False,
        )
    protocol = sheet.take("cron_protocol")
    if protocol and str(protocol.value) == "https" and not (ssl and str(ssl.value).lower() == "true"):
        sheet.note(
            protocol,
            "something before ECron ended TLS",
            "name it in server.trusted_proxies",
            needs_person=True,
        )
    nodes = sheet.take("multi_node")
    if nodes:
        sheet.note(
            nodes,
            "any number of nodes share one database, always",
            "nothing has to be done",
            needs_person=False,
        )


def _jobs(sheet: Sheet) -> None:
    failures = sheet.take("job_failures")
    if failures is not None:
        try:
            # ECron takes less than 3 for 3.
            sheet.set("scheduler.defaults.max_attempts", max(3, values.whole(0, 100)(failures.value)))
        except ValueError as error:
            sheet.note(failures, f"expected {error}", "set scheduler.defaults.max_attempts by hand")
    webhook = sheet.take("webhook")
    if webhook and "://" in str(webhook.value):
        sheet.set("scheduler.defaults.webhook", str(webhook.value))
    elif webhook:
        sheet.set("scheduler.results_path", f"/{str(webhook.value).strip('/')}")
        sheet.note(
            webhook,
            "targets report their results to this path of qs, with a bearer token; only jobs with async: true wait for them",
            "give their account the scope scheduler:run",
        )


def _database(sheet: Sheet) -> None:
    sheet.to("database.pool_size", "max_open_conns", read=values.whole(1, 500))
    address = sheet.take("db_addr")
    if address is not None:
        sheet.note(
            address,
            "it holds ECron's tables in MySQL, and qs keeps its own in PostgreSQL",
            "create a PostgreSQL database and set database.url; take the jobs over with `qs job import ecron`",
        )
    why = "it belongs to ECron's own database"
    sheet.nothing(
        why,
        "db_port",
        "db_name",
        "user_name",
        "user_pwd",
        "db_format",
        "timeout",
        "read_timeout",
        "write_timeout",
    )


def _broker(sheet: Sheet) -> None:
    kind, host, port = (
        sheet.take("mq_connector_type", "mq_type"),
        sheet.take("mq_host"),
        sheet.take("mq_port"),
    )
    sheet.nothing("it belongs to NSQ", "mq_lookupd_host", "mq_lookupd_port")
    name = str(kind.value).lower() if kind else "nsq"
    if name == "kafka" and host is not None:
        sheet.set("mq.type", "kafka")
        sheet.set("mq.host", str(host.value))
        if port is not None:
            sheet.set("mq.port", port.value)
    elif kind or host:
        sheet.note(
            kind or host,
            f"there is no connector for {name}; jobs are handed out by PostgreSQL, and events leave by Kafka, NATS or RabbitMQ",
            "nothing has to be done for jobs; set mq if another system reads the events",
            needs_person=name not in ("nsq", "kafka"),
        )


def _oauth(sheet: Sheet) -> None:
    host, port, protocol = (sheet.take(f"oauth_admin_{word}") for word in ("addr", "port", "protocol"))
    if host is not None:
        place = f"{host.value}:{port.value}" if port else str(host.value)
        address = f"{protocol.value if protocol else 'http'}://{place}/admin/oauth2/introspect"
        sheet.set("auth.mode", "introspection")
        sheet.set("auth.introspection_url", address)
        sheet.note(
            host,
            f"tokens of Hydra are asked about at {address}",
            "compare the path, which is /oauth2/introspect before Hydra 2; add auth.issuer, auth.audience and "
            "auth.default_tenant, and auth.client_id and auth.client_secret if it asks for them, or leave auth out to have "
            "qs issue the tokens",
        )
    sheet.nothing(
        "clients get their tokens where they did before",
        "oauth_public_addr",
        "oauth_public_port",
        "oauth_public_protocol",
    )
