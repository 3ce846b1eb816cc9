"""Settings stop the start when they cannot be used, naming the key and what is expected there."""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from qs.domain.kernel.durations import parse_duration
from qs.settings import Settings, SettingsError, load_settings
from qs.settings.keys import all_keys
from qs.settings.masking import MASK, masked

KEY = "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa"
PRODUCTION = {"QS_ENV": "production", "QS_SECRET_KEY": KEY}
_PROVIDER = {"QS_AUTH__ISSUER": "https://login.example.org/realms/clinic", "QS_AUTH__AUDIENCE": "qs-api"}
JWKS = {
    "QS_AUTH_MODE": "jwks",
    "QS_AUTH__JWKS_URL": "https://login.example.org/realms/clinic/protocol/openid-connect/certs",
    **_PROVIDER,
}
INTROSPECTION = {
    "QS_AUTH_MODE": "introspection",
    "QS_AUTH__INTROSPECTION_URL": "https://hydra.example.org/admin/oauth2/introspect",
    **_PROVIDER,
}

BROKER = {"QS_MQ__TYPE": "nsq", "QS_MQ__HOST": "broker"}

Written = Callable[[str], Path]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No qs.yaml of the working directory is read by accident."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(text: str) -> Path:
        path = tmp_path / "given.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path: Path | None, environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as raised:
        load_settings(path, environ)
    return {problem.pointer: problem.detail for problem in raised.value.problems}


BAD_VARIABLES = [
    ({"QS_ENV": "staging"}, "env", "one of demo, development, production, test"),
    ({"QS_PORT": "http"}, "server.port", "whole number from 0 to 65535"),
    ({"QS_PORT": "65536"}, "server.port", "whole number from 0 to 65535"),
    ({"QS_PORT": "-1"}, "server.port", "whole number from 0 to 65535"),
    ({"QS_HOST": "127.0.0.1:80 "}, "server.host", "without a port"),
    ({"QS_HOST": "0.0.0.0"}, "server.host", "development listens on loopback only"),
    ({"QS_ENV": "demo", "QS_HOST": "0.0.0.0"}, "secret_key", "outside loopback"),
    ({"QS_TIMEZONE": "Asia/Peking"}, "timezone", "IANA time zone"),
    ({"QS_TIMEZONE": "../../etc/passwd"}, "timezone", "IANA time zone"),
    ({"QS_LANG": "zh"}, "lang", "one of en, zh_CN"),
    ({"QS_LOG_LEVEL": "loud"}, "log.level", "one of"),
    ({"QS_LOG_FORMAT": "xml"}, "log.format", "one of console, json"),
    ({"QS_LOG__DAYS": "0"}, "log.days", "1 to 366"),
    ({"QS_LOG__COMPRESS": "maybe"}, "log.compress", "true or false"),
    ({"QS_DATABASE_URL": "mysql://h/db"}, "database.url", "postgresql://"),
    ({"QS_DATABASE_URL": "postgresql://h:port/db"}, "database.url", "postgresql://"),
    ({"QS_DATABASE__POOL_SIZE": "0"}, "database.pool_size", "1 to 500"),
    ({"QS_REDIS_URL": "http://h"}, "redis.url", "redis://"),
    ({"QS_ENTRY_BASE_URL": "answer.example.org"}, "entry.base_url", "https://"),
    ({"QS_ENTRY_BASE_URL": "javascript:alert(1)"}, "entry.base_url", "https://"),
    ({"QS_ENTRY_TTL_DAYS": "0"}, "entry.ttl_days", "1 to 366"),
    ({"QS_CORS_ORIGINS": "example.org"}, "server.cors_origins", "origins such as"),
    ({"QS_AUTH_MODE": "ldap"}, "auth.mode", "one of builtin, introspection, jwks"),
    ({"QS_AUTH_MODE": "jwks"}, "auth.jwks_url", "is missing"),
    ({"QS_AUTH_MODE": "jwks"}, "auth.issuer", "is missing"),
    ({"QS_AUTH_MODE": "jwks"}, "auth.audience", "is missing"),
    ({"QS_AUTH_MODE": "introspection"}, "auth.introspection_url", "is missing"),
    ({"QS_AUTH_MODE": "introspection"}, "auth.issuer", "is missing"),
    ({"QS_AUTH_MODE": "introspection"}, "auth.audience", "is missing"),
    ({**INTROSPECTION, "QS_AUTH__CLIENT_ID": "qs"}, "auth.client_secret", "is missing"),
    ({"QS_AUTH__JWKS_URL": "https://login.example.org/keys"}, "auth.jwks_url", "expected auth.mode jwks"),
    ({"QS_AUTH__CLIENT_SECRET": "x"}, "auth.client_secret", "expected auth.mode introspection"),
    ({"QS_AUTH__DEFAULT_TENANT": "default"}, "auth.default_tenant", "jwks or introspection"),
    ({**JWKS, "QS_ADMIN_USERNAME": "ada", "QS_ADMIN_PASSWORD": "x"}, "auth.admin_username", "builtin"),
    ({**JWKS, "QS_AUTH__JWKS_URL": "login.example.org/keys"}, "auth.jwks_url", "https://host/path"),
    ({**JWKS, "QS_AUTH__JWKS_URL": "file:///keys.json"}, "auth.jwks_url", "https://host/path"),
    (
        {**JWKS, "QS_AUTH__JWKS_URL": "https://qs:pw@login.example.org/k"},
        "auth.jwks_url",
        "holds a user name",
    ),
    ({**PRODUCTION, **JWKS, "QS_AUTH__JWKS_URL": "http://login/keys"}, "auth.jwks_url", "is not https"),
    ({**PRODUCTION, **JWKS, "QS_AUTH__ISSUER": ""}, "auth.issuer", "is missing"),
    ({**PRODUCTION, **JWKS, "QS_AUTH__AUDIENCE": ""}, "auth.audience", "is missing"),
    (
        {**PRODUCTION, **INTROSPECTION, "QS_AUTH__INTROSPECTION_URL": "HTTP://hydra:4445/oauth2/introspect"},
        "auth.introspection_url",
        "is not https",
    ),
    (
        {**PRODUCTION, **INTROSPECTION, "QS_AUTH__CLIENT_ID": "qs", "QS_AUTH__CLIENT_SECRET": "secret"},
        "auth.client_secret",
        "guessed",
    ),
    ({"QS_ADMIN_USERNAME": "ada"}, "auth.admin_password", "is missing"),
    ({"QS_MQ__TYPE": "kafka"}, "mq.host", "is missing"),
    ({"QS_MQ__TYPE": "zeromq"}, "mq.type", "one of kafka, nats, nsq, rabbitmq"),
    ({"QS_MQ__HOST": "broker"}, "mq.type", "is missing"),
    ({**BROKER, "QS_MQ__PREFIX": "Clinic/1"}, "mq.prefix", "such as qs"),
    ({**BROKER, "QS_MQ__TYPE": "nats", "QS_MQ__USERNAME": "qs"}, "mq.password", "is missing"),
    ({**BROKER, "QS_MQ__ACCEPT_JOBS": "true"}, "mq.tenant", "is missing"),
    ({**BROKER, "QS_MQ__TLS": "true", "QS_MQ__CA_FILE": "/nowhere.pem"}, "mq.ca_file", "not a file"),
    ({**BROKER, "QS_MQ__CA_FILE": __file__}, "mq.tls", "is false"),
    ({"QS_NOTIFICATION__QUIET_HOURS": "21-08"}, "notification.quiet_hours", "such as 21:00-08:00"),
    ({"QS_NOTIFICATION__MAX_PER_DAY": "0"}, "notification.max_per_day", "from 1 to 1000"),
    ({"QS_NOTIFICATION__RATE": "fast"}, "notification.rate", "such as 600/1m"),
    ({"QS_FEATURE__QUEUE_DASHBOARD": "perhaps"}, "feature.queue_dashboard", "true or false"),
    ({"QS_WORKER__ROLES": "cron,tocker"}, "worker.roles", "ticker"),
    ({"QS_SCHEDULER__QUEUES": "reports"}, "scheduler.queues", "reports=2"),
    ({"QS_SCHEDULER__QUEUES": "reports=0"}, "scheduler.queues", "name=limit"),
    ({"QS_SCHEDULER__DEFAULTS__WEBHOOK": "ftp://x"}, "scheduler.defaults.webhook", "https://host/path"),
    ({"QS_WORKER__ROLES": "cron,cook"}, "worker.roles", "each one of"),
    ({"QS_CLOCK__SWEEP_EVERY": "1x"}, "clock.sweep_every", "a duration such as 30s"),
    ({"QS_CLOCK__SWEEP_EVERY": "0s"}, "clock.sweep_every", "from 1s"),
    ({"QS_EVENTS__POLL_S": "nan"}, "events.poll_s", "a duration such as 30s"),
    ({"QS_EVENTS_ENTRY_URL": "yes"}, "events.entry_url", "true or false"),
    ({"QS_OUTBOUND__ALLOW_NETWORKS": "10.0.0.1/8"}, "outbound.allow_networks", "network such as"),
    ({"QS_SERVER__TLS__CERT_FILE": "/nowhere.pem"}, "server.tls.key_file", "needs both"),
    ({"QS_NOTIFICATION__CHANNELS": "webhook"}, "notification.webhook.url", "is missing"),
    ({"QS_NOTIFICATION__CHANNELS": "email"}, "smtp.host", "is missing"),
    ({"QS_NOTIFICATION__CHANNELS": "fax"}, "notification.channels", "each one of"),
    ({"QS_NOTIFICATION__CHANNELS": "wechat"}, "notification.wechat.appid", "is missing"),
    ({"QS_NOTIFICATION__WECHAT__APPID": "wx1"}, "notification.wechat.secret", "is missing"),
    ({"QS_NOTIFICATION__WECHAT__APPID": "wx1"}, "notification.wechat.templates", "is missing"),
    (
        {"QS_NOTIFICATION__WECHAT__TEMPLATES": '[{"message": "task_opend"}]'},
        "notification.wechat.templates[0].message",
        "expected one of task_opened",
    ),
    ({"QS_NOTIFICATION__WECHAT__BASE_URL": "weixin"}, "notification.wechat.base_url", "is not an address"),
    ({"QS_NOTIFICATION__CHANNELS": "apprise"}, "notification.apprise.schemas", "is missing"),
    (
        {"QS_NOTIFICATION__APPRISE__SCHEMAS": "slack://"},
        "notification.apprise.schemas",
        "words such as slack",
    ),
    ({"QS_SMTP__USERNAME": "u"}, "smtp.password", "is missing"),
    ({"QS_RETENTION__INBOX_DAYS": "3"}, "retention.inbox_days", "more than retention.outbox_days"),
    ({"QS_RETENTION__MESSAGES_DAYS": "29"}, "retention.messages_days", "retention.inbox_days or more"),
    ({"QS_SECRET_KEY": "short"}, "secret_key", "is not of the form id:key"),
    ({"QS_SECRET_KEY": "k1:short"}, "secret_key", "shorter than 32"),
    ({"QS_SECRET_KEY": f"{KEY},{KEY}"}, "secret_key", "twice"),
    ({"QS_PORTT": "1"}, "QS_PORTT", "did you mean QS_PORT?"),
    ({"QS_DATABASE__POOLSIZE": "1"}, "QS_DATABASE__POOLSIZE", "did you mean QS_DATABASE__POOL_SIZE?"),
    ({"QS_PORT_FILE": "/run/port"}, "QS_PORT_FILE", "is not a setting"),
    ({"QS_SECRET_KEY_FILE": "/nowhere"}, "QS_SECRET_KEY_FILE", "cannot be read"),
    ({"QS_PORT": "1", "QS_SERVER__PORT": "2"}, "server.port", "QS_PORT and QS_SERVER__PORT"),
    ({"QS_ENV": "production"}, "secret_key", "is missing"),
    ({**PRODUCTION, "QS_SECRET_KEY": "k1:change-me-change-me-change-me-change-me"}, "secret_key", "guessed"),
    ({**PRODUCTION, "QS_SECRET_KEY": "k1:" + "a" * 40}, "secret_key", "guessed"),
    ({**PRODUCTION, "QS_HOST": "0.0.0.0"}, "server.host", "without TLS"),
    (
        {**PRODUCTION, "QS_ADMIN_USERNAME": "a", "QS_ADMIN_PASSWORD": "hunter2"},
        "auth.admin_password",
        "guessed",
    ),
    (
        {**PRODUCTION, "QS_ADMIN_USERNAME": "a", "QS_ADMIN_PASSWORD": "password12345"},
        "auth.admin_password",
        "guessed",
    ),
    ({**PRODUCTION, "QS_CORS_ORIGINS": "*"}, "server.cors_origins", "every site"),
    ({"QS_CONFIG": "/nowhere.yaml"}, "QS_CONFIG", "is not a file"),
]


@pytest.mark.parametrize("mode", [JWKS, INTROSPECTION], ids=["jwks", "introspection"])
def test_an_identity_provider_is_set_up_by_its_addresses_and_names(mode: dict[str, str]) -> None:
    credentials = {"QS_AUTH__CLIENT_ID": "qs", "QS_AUTH__CLIENT_SECRET": KEY} if mode is INTROSPECTION else {}

    settings = load_settings(None, {**PRODUCTION, **mode, **credentials})

    assert settings.auth.mode == mode["QS_AUTH_MODE"]
    assert (settings.auth.tenant_claim, settings.auth.roles_claim) == ("tenant", "roles")


@pytest.mark.parametrize(("environ", "key", "expected"), BAD_VARIABLES, ids=lambda value: str(value)[:60])
def test_a_bad_variable_stops_the_start_and_names_its_key(
    environ: dict[str, str], key: str, expected: str
) -> None:
    found = problems(None, environ)

    assert expected in found[key]


BAD_FILES = [
    ("server: {prot: 1}", "server.prot", "did you mean server.port?"),
    ("sever: {port: 1}", "sever", "did you mean server?"),
    ("server: 8080", "server", "is a section"),
    ("server: {port: [1]}", "server.port", "whole number"),
    ("server: {addr: localhost}", "server.addr", "host:port"),
    ("server: {addr: 'localhost:80', port: 81}", "server.addr", "one or the other"),
    ("database: {log_sql: 1.5}", "database.log_sql", "true or false"),
    ("scheduler: {enabled: perhaps}", "scheduler.enabled", "true or false"),
    ("scheduler: {timezone: Europe/Londn}", "scheduler.timezone", "IANA"),
    ("scheduler: {defaults: {max_attempts: 0}}", "scheduler.defaults.max_attempts", "from 1 to 100"),
    ("scheduler: {results_path: results}", "scheduler.results_path", "expected a path"),
    ("scheduler: {results_path: /a/../b}", "scheduler.results_path", "expected a path"),
    ("scheduler: {results_path: /api/v1/results}", "scheduler.results_path", "qs does not serve by itself"),
    ("scheduler: {results_path: /api/ecron-management/v1/jobstatus}", "scheduler.results_path", "by itself"),
    ("scheduler: {kubernetes: {grace_s: 0}}", "scheduler.kubernetes.grace_s", "a duration"),
    ("retention: {idempotency_hours: 48}", "retention.idempotency_hours", "is not a setting"),
    ("worker: {roles: {cron: true}}", "worker.roles", "a list"),
    ("timezone: {a: b}", "timezone", "a text"),
]


@pytest.mark.parametrize(("text", "key", "expected"), BAD_FILES)
def test_a_bad_key_in_the_file_stops_the_start_and_is_named(
    text: str, key: str, expected: str, written: Written
) -> None:
    found = problems(written(text), {})

    assert expected in found[key]


def test_a_setting_that_is_not_available_may_be_given_as_it_is_by_default(written: Written) -> None:
    path = written(
        "scheduler: {enabled: true, defaults: {max_attempts: 3}}\nfeature: {queue_dashboard: false}"
    )

    assert load_settings(path, {}) == Settings()


BAD_DOCUMENTS = [
    ("a: 1\na: 2", "line 2: the key 'a' stands twice"),
    ("server:\n\tport: 1", "YAML takes no tabs"),
    ("a: &x [1]\nb: *x", "line 1: anchors"),
    ("a: !!python/object/apply:os.system ['true']", "line 1: tags are not read"),
    ("- a\n- b", "expected sections"),
    ("a: 1\n---\nb: 2", "a second document"),
    ("a: [1", "is not YAML"),
    ("a: " + "[" * 50_000, "deeper than 20 levels"),
    ("? [a, b]\n: c", "a key must be a word"),
    ("a: \x01", "characters that YAML does not allow"),
]


@pytest.mark.parametrize(("text", "expected"), BAD_DOCUMENTS, ids=[each[1] for each in BAD_DOCUMENTS])
def test_a_file_that_is_not_plain_yaml_is_refused_by_line(text: str, expected: str, written: Written) -> None:
    path = written(text)

    found = problems(path, {})

    assert expected in found[str(path)]


def test_a_file_of_over_a_mebibyte_is_refused_unread(written: Written) -> None:
    path = written("# " + "x" * 1_048_576)

    assert "larger than 1 MiB" in problems(path, {})[str(path)]


def test_every_problem_is_named_at_once(written: Written) -> None:
    found = problems(written("server: {port: x}\nnonsense: 1"), {"QS_LANG": "fr", "QS_NONSENSE": "1"})

    assert set(found) == {"server.port", "nonsense", "lang", "QS_NONSENSE"}


def test_the_sentence_of_the_error_names_every_key() -> None:
    with pytest.raises(SettingsError, match=r"server\.port(.|\n)*lang|lang(.|\n)*server\.port"):
        load_settings(None, {"QS_PORT": "x", "QS_LANG": "fr"})


def test_a_refusal_never_repeats_a_secret(written: Written) -> None:
    path = written(
        "secret_key: hunter2-hunter2\nsmtp: {password: {a: hunter2-hunter2}}\nredis: {url: 'x://u:hunter2@h'}"
    )

    with pytest.raises(SettingsError) as raised:
        load_settings(path, {})

    assert "hunter2" not in str(raised.value)


def test_nothing_given_is_a_development_installation_on_loopback() -> None:
    settings = load_settings(None, {})

    assert settings == Settings()
    assert (settings.env, settings.server.host, settings.server.port) == ("development", "127.0.0.1", 8080)
    assert (settings.timezone, settings.lang, settings.clock.sweep_every) == (
        "Asia/Shanghai",
        "en",
        timedelta(minutes=1),
    )


def test_the_environment_wins_over_the_file(written: Written) -> None:
    path = written("server: {addr: 'localhost:9000'}\nlog: {level: debug}\nclock: {sweep_every: 90s}")

    settings = load_settings(path, {"QS_PORT": "9001", "QS_LOG__FORMAT": "json"})

    assert (settings.server.host, settings.server.port) == ("localhost", 9001)
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert settings.clock.sweep_every == timedelta(seconds=90)


def test_the_file_is_found_by_argument_then_variable_then_working_directory(
    tmp_path: Path, written: Written
) -> None:
    (tmp_path / "qs.yaml").write_text("lang: zh_CN")
    other = tmp_path / "other.yaml"
    other.write_text("timezone: Europe/London")
    environ = {"QS_CONFIG": str(other)}

    assert load_settings(None, {}).lang == "zh_CN"
    assert load_settings(None, environ).timezone == "Europe/London"
    assert load_settings(written("timezone: Asia/Tokyo"), environ).timezone == "Asia/Tokyo"


def test_text_stays_what_was_written(written: Written) -> None:
    path = written("smtp: {username: no, password: 0123, from: 12:30@example.org}")

    smtp = load_settings(path, {}).smtp

    assert (smtp.username, smtp.password, smtp.sender) == ("no", "0123", "12:30@example.org")


def test_an_empty_value_means_not_given(written: Written) -> None:
    settings = load_settings(written("database:\n  url:\nredis: ~\nserver:\n"), {"QS_REDIS_URL": ""})

    assert settings == Settings()


def test_a_secret_may_be_given_by_the_file_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "dsn").write_text("postgresql://u:p@h/d\n")
    environ = {"QS_SECRET_KEY_FILE": str(tmp_path / "key"), "QS_DATABASE__URL_FILE": str(tmp_path / "dsn")}

    settings = load_settings(None, environ)

    assert (settings.secret_key, settings.database.url) == (KEY, "postgresql://u:p@h/d")


@pytest.mark.parametrize("text", ["a, b", '["a", "b"]'])
def test_a_list_in_a_variable_is_written_with_commas_or_as_json(text: str) -> None:
    settings = load_settings(None, {"QS_NOTIFICATION__WEBHOOK__SECRETS": text})

    assert settings.notification.webhook.secrets == ("a", "b")


def test_what_an_orchestrator_injects_beside_a_service_named_qs_is_no_setting() -> None:
    injected = {
        "QS_PORT": "tcp://10.0.0.1:8080",
        "QS_SERVICE_HOST": "10.0.0.1",
        "QS_SERVICE_PORT_HTTP": "8080",
        "QS_PORT_8080_TCP_ADDR": "10.0.0.1",
        "QS_API_PORT": "tcp://10.0.0.2:80",
    }

    assert load_settings(None, injected).server.port == 8080


def test_production_starts_with_a_key_of_its_own_behind_a_named_proxy() -> None:
    environ = {**PRODUCTION, "QS_HOST": "0.0.0.0", "QS_SERVER__TRUSTED_PROXIES": "10.0.0.0/8"}

    settings = load_settings(None, environ)

    assert settings.server.trusted_proxies == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m", 60), ("1h30m", 5400), ("500ms", 0.5), ("7d", 604800), ("90", 90), ("1.5h", 5400)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "s", "1 m", "-1s", "1y", "1s2", "١s", "1e3", "inf"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


SECRETS = {
    "QS_SECRET_KEY": KEY,
    "QS_DATABASE_URL": "postgresql://u:hunter2@h/d?password=hunter2",
    "QS_REDIS_URL": "redis://:hunter2@h",
    "QS_ADMIN_USERNAME": "ada",
    "QS_ADMIN_PASSWORD": "hunter2-hunter2",
    "QS_SMTP__USERNAME": "u",
    "QS_SMTP__PASSWORD": "hunter2",
    "QS_NOTIFICATION__WEBHOOK__SECRETS": "hunter2",
    "QS_NOTIFICATION__WEBHOOK__URL": "https://u:hunter2@h/x?token=hunter2",
}


def test_the_masked_view_shows_every_key_and_no_secret() -> None:
    shown = masked(load_settings(None, SECRETS))

    assert KEY not in str(shown)
    assert "hunter2" not in str(shown)
    assert shown["secret_key"] == MASK
    assert shown["database"]["url"] == f"postgresql://u:{MASK}@h/d?password={MASK}"
    assert shown["clock"]["sweep_every"] == "60s"
    for name in all_keys():
        place = shown
        for word in name.split("."):
            place = place[word]


def test_the_repr_of_settings_shows_no_value() -> None:
    settings = load_settings(None, SECRETS)

    assert "hunter2" not in repr(settings) + repr(settings.smtp) + f"{settings.auth}"


NAMED_BY_THE_CONTRACT = {
    "server.tls": "cert_file key_file",
    "database": "url pool_size max_overflow pool_recycle log_sql",
    "redis": "url",
    "log": "level format console path max_size_mb days compress",
    "worker": "roles concurrency",
    "feature": "queue_dashboard",
    "auth": "issuer audience jwks_url introspection_url client_id client_secret",
    "mq": "type host port",
    "smtp": "host port tls username password from",
    "notification": "channels",
    "outbound": "allow_networks",
    "sweep": "batch",
    "clock": "internal sweep_every",
    "scheduler": "enabled timezone jobs",
    "scheduler.defaults": "max_attempts webhook",
}


def test_every_key_that_users_are_promised_exists() -> None:
    named = {
        f"{section}.{word}" for section, words in NAMED_BY_THE_CONTRACT.items() for word in words.split()
    }

    assert named <= set(all_keys())


def _written(shown: Any) -> str:
    if isinstance(shown, list):
        return ",".join(shown)
    return str(shown).lower() if isinstance(shown, bool) else str(shown)


def test_every_default_is_one_that_could_be_given() -> None:
    """Each default, written down and read again, is the same."""
    environ = {"QS_TIMEZONE": "Asia/Shanghai", "QS_HOME": os.fspath(Settings().home)}
    for name, key in all_keys().items():
        shown: Any = masked(Settings())
        for word in name.split("."):
            shown = shown[word]
        if shown not in (None, []) and name not in ("timezone", "home"):
            environ[key.variable] = _written(shown)

    assert load_settings(None, environ) == Settings()


def test_a_word_of_a_choice_may_be_written_in_capitals() -> None:
    settings = load_settings(None, {"QS_LOG_LEVEL": "WARNING", "QS_LANG": "zh_cn"})

    assert (settings.log.level, settings.lang) == ("warning", "zh_CN")


def test_a_random_key_that_happens_to_hold_a_known_word_is_no_weak_one() -> None:
    environ = {**PRODUCTION, "QS_SECRET_KEY": "k1:Zq3vXtest9bT7mLwadmin2RcYp8NdKs5HjGf"}

    assert load_settings(None, environ).env == "production"


def test_without_an_account_the_home_is_that_of_services(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobody)

    assert Settings().home == Path("/var/lib/qs")


def test_a_channel_whose_package_is_missing_says_which_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed = {"QS_NOTIFICATION__APPRISE__SCHEMAS": "slack,dingtalk"}
    assert "apprise" in load_settings(None, allowed).notification_channels
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(SettingsError, match="pip install 'qs\\[staff-channels\\]'"):
        load_settings(None, allowed)


def test_the_secrets_of_jobs_are_no_settings_and_the_secret_key_is() -> None:
    environ = {"QS_SECRET_REPORT_TOKEN": "s3cret", "QS_SECRET_MAIL_FILE": "/run/secrets/mail"}

    assert load_settings(None, environ) == load_settings(None, {})
    with pytest.raises(SettingsError):
        load_settings(None, {"QS_SECRET": "x"})
