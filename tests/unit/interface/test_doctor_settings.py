"""What the doctor finds in settings alone, each mistake under its code; and that each code is planted somewhere."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from qs.interface.cli.finding_codes import CODES
from qs.interface.cli.findings import Finding
from qs.interface.cli.production_findings import production_findings
from qs.interface.cli.settings_findings import refusal_findings, settings_findings
from qs.settings import SettingsError, load_settings

KEY = "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa"
SERVERS = {"QS_DATABASE_URL": "postgresql://qs@127.0.0.1/qs", "QS_REDIS_URL": "redis://127.0.0.1:6379/0"}
DEVELOPMENT = {"QS_SECRET_KEY": KEY, **SERVERS}
PRODUCTION = {
    **DEVELOPMENT,
    "QS_ENV": "production",
    "QS_ENTRY_BASE_URL": "https://qs.example.org/entry",
    "QS_SERVER__TRUSTED_PROXIES": "127.0.0.1/32",
    "QS_SMTP__HOST": "mail.example.org",
    "QS_SMTP__FROM": "qs@example.org",
    "QS_NOTIFICATION__UNSUBSCRIBE_URL": "https://qs.example.org/unsubscribe",
    "QS_NOTIFICATION__ALERTS__OPERATOR_EMAIL": "ops@example.org",
}
TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No qs.yaml of the working directory is read by accident."""
    monkeypatch.chdir(tmp_path)


def found_in(given: Mapping[str, str]) -> list[Finding]:
    try:
        settings = load_settings(None, given)
    except SettingsError as error:
        return refusal_findings(error)
    told = [*settings_findings(settings, given), *production_findings(settings)]
    return [each for each in told if each.severity != "ok"]


@pytest.mark.parametrize("given", [DEVELOPMENT, PRODUCTION], ids=["development", "production"])
def test_of_settings_as_they_should_be_nothing_is_found(given: dict[str, str]) -> None:
    assert found_in(given) == []


@pytest.mark.parametrize(
    ("basis", "change", "code", "subject"),
    [
        (DEVELOPMENT, {"QS_PORT": "x"}, "settings.invalid", "server.port"),
        (DEVELOPMENT, {"QS_PRT": "8081"}, "settings.unknown", "QS_PRT"),
        (
            DEVELOPMENT,
            {"QS_ENTRY_BASE_URL": "https://qs.example.org/entry"},
            "env.not_production",
            "env",
        ),
        (DEVELOPMENT, {"QS_SECRET_KEY": ""}, "secret.missing", "secret_key"),
        (DEVELOPMENT, {"QS_SECRET_KEY": "k1:" + "ab" * 20}, "secret.guessable", "secret_key"),
        (
            DEVELOPMENT,
            {"QS_DATABASE_URL": "postgresql://qs:changeme@127.0.0.1/qs"},
            "secret.guessable",
            "database.url",
        ),
        (DEVELOPMENT, {"QS_EVENTS_ENTRY_URL": "true"}, "entry.links_in_stream", "events.entry_url"),
        (DEVELOPMENT, {"QS_DATABASE_URL": ""}, "embedded.in_use", "embedded servers"),
        (PRODUCTION, {"QS_DATABASE_URL": ""}, "embedded.in_production", "embedded servers"),
        (PRODUCTION, {"QS_ENTRY_BASE_URL": ""}, "entry.no_base_url", "entry.base_url"),
        (
            PRODUCTION,
            {"QS_ENTRY_BASE_URL": "", "QS_HOST": "0.0.0.0"},
            "entry.no_base_url",
            "entry.base_url",
        ),
        (PRODUCTION, {"QS_ENTRY_BASE_URL": "http://127.0.0.1/e"}, "entry.loopback", "entry.base_url"),
        (
            PRODUCTION,
            {"QS_NOTIFICATION__UNSUBSCRIBE_URL": "https://localhost/unsubscribe"},
            "address.loopback",
            "notification.unsubscribe_url",
        ),
        (
            PRODUCTION,
            {"QS_SCHEDULER__DEFAULTS__WEBHOOK": "http://hook.example.org/x"},
            "address.clear",
            "scheduler.defaults.webhook",
        ),
        (
            PRODUCTION,
            {"QS_SERVER__TRUSTED_PROXIES": ""},
            "proxy.not_trusted",
            "server.trusted_proxies",
        ),
        (PRODUCTION, {"QS_REDIS_URL": "redis://redis.example.org:6379"}, "redis.open", "redis.url"),
        (
            PRODUCTION,
            {"QS_LOG_LEVEL": "debug", "QS_DATABASE__LOG_SQL": "true"},
            "log.every_statement",
            "log.level",
        ),
        (
            PRODUCTION,
            {"QS_HOST": "0.0.0.0", "QS_SERVER__METRICS_PUBLIC": "true"},
            "metrics.public",
            "server.metrics_public",
        ),
        (PRODUCTION, {"QS_LIMITS__LOGIN": "0"}, "limits.none", "limits"),
        (
            PRODUCTION,
            {"QS_NOTIFICATION__CHANNELS": "email,null"},
            "channel.null",
            "notification.channels",
        ),
        (PRODUCTION, {"QS_SMTP__HOST": ""}, "channel.log_only", "notification.channels"),
        (
            PRODUCTION,
            {"QS_NOTIFICATION__ALERTS__OPERATOR_EMAIL": ""},
            "alerts.no_operator",
            "notification.alerts.operator_email",
        ),
        (
            PRODUCTION,
            {"QS_NOTIFICATION__UNSUBSCRIBE_URL": ""},
            "mail.no_unsubscribe",
            "notification.unsubscribe_url",
        ),
        (PRODUCTION, {"QS_SMTP__TLS": "none"}, "mail.clear", "smtp.tls"),
    ],
)
def test_a_setting_that_somebody_should_have_meant_otherwise_is_found(
    basis: dict[str, str], change: dict[str, str], code: str, subject: str
) -> None:
    assert [(each.code, each.subject) for each in found_in(basis | change)] == [(code, subject)]


def test_a_variable_with_a_slip_of_the_pen_is_named_with_the_one_that_was_meant() -> None:
    [told] = found_in(DEVELOPMENT | {"QS_REDIS_ULR": "redis://127.0.0.1"})

    assert told.what == "is not a setting; did you mean QS_REDIS_URL?"


def test_a_file_with_a_secret_that_everybody_may_read_is_found(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    given = {**SERVERS, "QS_SECRET_KEY_FILE": str(file)}
    open_all_the_way(tmp_path)

    file.chmod(0o600)
    closed = found_in(given)
    file.chmod(0o644)
    opened = found_in(given)
    tmp_path.chmod(0o700)
    behind_a_closed_folder = found_in(given)

    assert [each.code for each in opened] == ["secret.file_open"]
    assert opened[0].todo == f"chmod 600 {file}"
    assert closed == behind_a_closed_folder == []


def test_a_settings_file_with_secrets_that_everybody_may_read_is_found(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    given = {**SERVERS, "QS_CONFIG": str(file)}
    open_all_the_way(tmp_path)

    file.write_text(f"secret_key: {KEY}")
    file.chmod(0o644)
    with_secret = found_in(given)
    file.write_text("lang: zh_CN")
    without = found_in(given | {"QS_SECRET_KEY": KEY})

    assert [each.code for each in with_secret] == ["settings.file_open"]
    assert without == []


def test_grpc_that_is_served_and_not_installed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)

    assert [each.code for each in found_in(DEVELOPMENT | {"QS_SERVER__GRPC_PORT": "9090"})] == [
        "grpc.missing"
    ]


def open_all_the_way(folder: Path) -> None:
    """Lets everybody through to a folder of this test."""
    for each in (folder, *folder.parents):
        if each.owner() == folder.owner() and len(each.parts) > 2:
            each.chmod(each.stat().st_mode | 0o011)


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_planted_by_a_test(code: str) -> None:
    planting = [
        path
        for path in TESTS.rglob("test_*.py")
        if re.search(rf'"{re.escape(code)}"', path.read_text(encoding="utf-8"))
    ]

    assert planting
