"""Without an endpoint nothing of OpenTelemetry is there; with one it must be installed, and the settings must make sense."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from qs.settings import Settings
from tests.support.processes import clean_environment

WITHOUT = "import sys; sys.modules['opentelemetry'] = None; {}"
EVERYTHING = """
import asyncio, os, sys
import qs.asgi, workers.cron, workers.executions, workers.notifications, workers.relay, workers.statistics, workers.ticker
from qs.container import build_container, close
from qs.settings import load_settings

async def work():
    container = build_container(load_settings(None, os.environ))
    container.announcing(), container.webhook_sending(), container.job_running(), container.sending()
    await container.publishing().round()
    await container.duty_firing().fire_due()
    await close(container)

qs.asgi.app
asyncio.run(work())
# litestar looks for a plugin of its own by a list of names, which is all that it finds.
print([each for each in sys.modules if each.startswith(("opentelemetry.", "requests")) and "semconv" not in each])
"""
RUN = "from qs.interface.cli.main import run; run()"


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": str(settings.secret_key),
        "QS_DATABASE_URL": str(settings.database.url),
        "QS_REDIS_URL": str(settings.redis.url),
        "QS_LOG_FORMAT": "json",
    }


def python(environment: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """What a Python of its own did with these words."""
    return subprocess.run(
        (sys.executable, "-P", *words),
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported(environment: dict[str, str]) -> None:
    found = python(environment, "-c", EVERYTHING)

    assert found.stdout.splitlines()[-1:] == ["[]"], found.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("-c", WITHOUT.format(RUN), "api", "--port", "0"),
        ("-c", WITHOUT.format(RUN), "up", "--port", "0"),
        ("-c", WITHOUT.format(RUN), "worker"),
        ("-c", WITHOUT.format("import workers.__main__ as w; sys.exit(w.main(['relay']))")),
    ],
    ids=["api", "up", "worker", "role"],
)
def test_without_the_extra_nothing_starts_and_how_to_get_it_is_said(
    environment: dict[str, str], words: tuple[str, ...]
) -> None:
    found = python(environment | {"QS_TRACING__ENDPOINT": "http://127.0.0.1:4318"}, *words)

    assert (found.returncode, found.stdout) == (1, "")
    assert "tracing.endpoint" in found.stderr
    assert "pip install 'qs[tracing]'" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ENDPOINT", "127.0.0.1:4318", "expected one such as http://127.0.0.1:4318"),
        ("ENDPOINT", "grpc://127.0.0.1:4317", "expected one such as http://127.0.0.1:4318"),
        ("ENDPOINT", "http://user:hidden@127.0.0.1", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("ENDPOINT", "http://127.0.0.1?key=hidden", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("SAMPLE_RATIO", "1.1", "a number from 0 to 1"),
        ("SAMPLE_RATIO", "-0.1", "a number from 0 to 1"),
        ("SAMPLE_RATIO", "nan", "a number from 0 to 1"),
        ("SERVICE_NAME", "x" * 1001, "a text of 1 to 1000 characters"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_what_is_expected(
    environment: dict[str, str], variable: str, value: str, said: str
) -> None:
    found = python(environment | {f"QS_TRACING__{variable}": value}, "-m", "qs", "config", "show")

    assert found.returncode == 1
    assert f"tracing.{variable.lower()}" in found.stderr
    assert said in found.stderr
    assert "hidden" not in found.stderr
