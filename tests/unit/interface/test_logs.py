"""Log lines keep their shape whoever writes them, and never carry a credential."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from asyncpg import AdminShutdownError, PostgresError, UniqueViolationError

from qs.logs import configure_logging
from qs.logs.redaction import REDACTED
from qs.settings.sections import LogSettings

log = structlog.get_logger()

TOKEN = "8f14e45f-ceea-867f-b5d4-2c1b7a9e0d33"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was before the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def lines(tmp_path: Path) -> Any:
    path = tmp_path / "logs" / "qs.log"
    configure_logging(LogSettings(level="info", format="json", console=False, path=path), "api")
    return lambda: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_our_own_line_has_its_event_its_fields_its_process_and_its_time(lines: Any) -> None:
    log.info("task_opened", task_id=7)

    (line,) = lines()
    assert (line["event"], line["task_id"], line["level"], line["process"]) == (
        "task_opened",
        7,
        "info",
        "api",
    )
    assert line["timestamp"].endswith("Z")


def test_a_library_writes_in_the_same_shape(lines: Any) -> None:
    logging.getLogger("somebody.else").warning("connection to %s lost", "db")

    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == (
        "connection to db lost",
        "somebody.else",
        "warning",
    )


def test_lines_below_the_level_are_not_written(lines: Any) -> None:
    log.debug("detail")
    logging.getLogger("somebody.else").debug("detail")
    logging.getLogger("uvicorn.error").info("Started server process")

    log.warning("last")
    assert [line["event"] for line in lines()] == ["last"]


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "access_token",
        "password",
        "client_secret",
        "secret_key",
        "link",
        "authorization",
        "cookie",
        "Set-Cookie",
        "email",
    ],
)
def test_the_value_of_a_secret_field_is_dropped_wherever_it_stands(key: str, lines: Any) -> None:
    log.info("seen", **{key: TOKEN}, nested={"inner": [{key: TOKEN}]})

    (line,) = lines()
    assert TOKEN not in json.dumps(line)
    assert line[key] == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        f"GET /entry?token={TOKEN}&task_id=1 HTTP/1.1",
        f"Authorization: Bearer {TOKEN}",
        f"postgresql://qs:{TOKEN}@db/qs is away",
        f"password={TOKEN}",
        f"it sent qsk_0198f0c27a317c559f0e1d2c3b4a5968_{TOKEN}",
        f"it sent qss_{TOKEN} and qsr_{TOKEN}",
    ],
)
def test_a_credential_in_free_text_is_dropped(text: str, lines: Any) -> None:
    log.info("seen", detail=text)
    logging.getLogger("somebody.else").error(text)
    logging.getLogger("somebody.else").error("%s", text)

    assert len(lines()) == 3
    assert TOKEN not in json.dumps(lines())


def test_an_address_is_written_without_its_query(lines: Any) -> None:
    log.info("seen", url=f"https://a.example/e?t={TOKEN}&x=1", path=f"/entry?x={TOKEN}")

    (line,) = lines()
    assert (line["url"], line["path"]) == ("https://a.example/e", "/entry")


def test_a_traceback_holds_no_credential(lines: Any) -> None:
    try:
        raise ValueError(f"https://a.example/e?token={TOKEN}")
    except ValueError:
        log.exception("failed", token=TOKEN)

    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert TOKEN not in json.dumps(line)


def test_of_a_database_that_is_away_each_call_tells_one_line_and_no_stack(lines: Any) -> None:
    for error in (AdminShutdownError("going down"), UniqueViolationError("a bug")):
        try:
            raise error
        except PostgresError:
            log.warning("failed", exc_info=True)

    away, bug = lines()
    assert ({"error", "sqlstate"} <= away.keys(), "exception" in away) == (True, False)
    assert (away["error"], away["sqlstate"]) == ("AdminShutdownError", "57P01")
    assert "UniqueViolationError" in bug["exception"]


def test_flags_and_counts_with_telling_names_are_kept(lines: Any) -> None:
    log.info("seen", entry_url=False, tokens=None, retries=3)

    (line,) = lines()
    assert (line["entry_url"], line["tokens"], line["retries"]) == (False, None, 3)


def test_the_console_is_stderr_and_stdout_stays_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="console"), "api")

    log.info("task_opened", task_id=7)

    written = capsys.readouterr()
    assert written.out == ""
    assert "task_opened" in written.err
    assert "task_id=7" in written.err


def test_configuring_again_replaces_what_was_set_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(LogSettings(), "api")
    configure_logging(LogSettings(), "api")

    log.warning("once")

    assert capsys.readouterr().err.count("once") == 1
