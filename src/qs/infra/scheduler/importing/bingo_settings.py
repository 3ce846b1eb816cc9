"""The settings of a Bingo service (apiserver, admserver, scheduler, bot) in ours."""

from qs.infra.scheduler.importing import go_settings
from qs.infra.scheduler.importing import settings_values as values
from qs.infra.scheduler.importing.settings_files import read_settings
from qs.infra.scheduler.importing.settings_sheet import Given, ImportedSettings, Sheet


def import_bingo_settings(content: bytes) -> ImportedSettings:
    """Its YAML with ``server`` or ``app`` and ``http``, ``mysql`` or ``db``, ``redis``, ``jwt``, ``log``, ``feature``, ``mail``.

    Raises:
        ImportRefused: it is no settings file; with the line.
    """
    sheet = Sheet(read_settings(content))
    go_settings.server(sheet, "http", "server", "app")
    go_settings.database(sheet, "db", "database", "mysql", "postgres", "postgresql")
    go_settings.redis(sheet)
    go_settings.log(sheet, "log")
    go_settings.mail(sheet)
    _tokens(sheet)
    _features(sheet)
    sheet.to(
        "worker.concurrency",
        "queue.concurrency",
        "asynq.concurrency",
        "concurrency",
        read=values.whole(1, 1000),
    )
    sheet.nothing("one address serves HTTP", "http.enabled", "http.mode")
    _other_servers(sheet)
    sheet.nothing("is made from the request", "app.url")
    sheet.nothing("testees come by links, there are no codes", "code")
    sheet.nothing(
        "users and their logins are those of qs (`qs user create`, or OIDC)",
        "auth",
        what_to_do="see docs/operations/roles.md",
    )
    return sheet.imported()


def _tokens(sheet: Sheet) -> None:
    sheet.nothing(
        "qs signs with keys of its own (secret_key), and no token of Bingo is valid here",
        "jwt.secretKey",
        "jwt.secret",
        "jwt.key",
        "server.key",
        "app.key",
        what_to_do="clients log in again; set secret_key in production",
    )
    # Bingo counts minutes.
    sheet.to("auth.access_ttl_s", "jwt.ttl", "jwt.expire", read=values.seconds(60, 86400, per_unit=60))


def _features(sheet: Sheet) -> None:
    sheet.to("feature.queue_dashboard", "feature.queueDash", "feature.queueDashboard", read=values.flag)
    metrics = sheet.take("feature.metrics")
    if metrics and str(metrics.value).lower() == "true":
        sheet.note(
            metrics,
            "/metrics is always there and asks for a token, which Bingo does not",
            "let the scraper send one, or set server.metrics_public: true",
            needs_person=False,
        )
    sheet.nothing("the API is described at /schema in any case", "feature.apiDoc")
    sheet.nothing("there is no profiler in the server", "feature.profiling")


def _other_servers(sheet: Sheet) -> None:
    if (enabled := _taken_if_on(sheet, "grpc")) is not None:
        sheet.to("server.grpc_port", "grpc.addr", read=values.port)
        sheet.note(
            enabled,
            "gRPC serves the duties of qs and nothing else, in its own messages",
            "pip install 'qs[grpc]' and call qs.plan.v1.PlanDuties; see docs/operations/grpc.md",
        )
    sheet.nothing("gRPC serves the duties, on server.grpc_port", "grpc")
    if (enabled := _taken_if_on(sheet, "websocket")) is not None:
        sheet.note(enabled, "there is no websocket server here", "follow GET /api/v1/events")
    sheet.nothing("there is no websocket server here", "websocket")


def _taken_if_on(sheet: Sheet, section: str) -> Given | None:
    enabled = sheet.take(f"{section}.enabled")
    return enabled if enabled is not None and str(enabled.value).lower() == "true" else None
