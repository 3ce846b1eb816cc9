"""Every verb has help and --json, says what it does on the right stream, and exits 0, 1 or 2."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import typer

from qs.infra.postgres.migrations import schema_0016
from qs.interface.cli import main
from qs.interface.cli.main import VERBS
from tests.support.command_line import called
from tests.support.processes import clean_environment

# A shell of its own, which prints what psql prints.
NO_JSON = {"embedded psql"}
SECRET_KEY = "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa"


def qs(
    *arguments: str, given: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return called(given or {}, *arguments, cwd=cwd)


def verbs() -> Iterator[tuple[str, Any]]:
    """Every verb that can be called, by the words that call it."""
    root: Any = typer.main.get_command(main.root)
    context = root.make_context("qs", ["config"], resilient_parsing=True)
    for name in VERBS:
        _, command, _ = root.resolve_command(context, [name])
        yield from leaves(name, command)


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    for word, below in getattr(command, "commands", {}).items():
        yield from leaves(f"{name} {word}", below)
    if not hasattr(command, "commands"):
        yield name, command


def test_every_verb_promised_is_there() -> None:
    promised = {
        *(
            "up",
            "demo",
            "api",
            "worker",
            "doctor",
            "sweep",
            "db upgrade",
            "db check",
            "backup",
            "restore",
            "retention",
            "clock show",
            "clock advance",
        ),
        *(f"plan {word}" for word in ("list", "show", "create", "preview", "enroll", "import")),
        *(f"task {word}" for word in ("list", "show", "explain", "open", "expire", "reissue")),
        *("secret set", "secret list", "secret delete", "keys list", "keys rotate"),
        *(f"templates {word}" for word in ("list", "show", "set", "preview", "reset", "activate")),
        *(
            "events tail",
            "events replay",
            "events schema",
            "embedded status",
            "embedded stop",
            "embedded psql",
        ),
        *("config show", "config import"),
        *(f"job {word}" for word in ("list", "show", "create", "apply", "diff", "export", "import", "run")),
        *(f"job {word}" for word in ("enable", "disable", "next", "executions", "logs", "cancel", "retry")),
        *(f"job {word}" for word in ("remove", "backfill", "preview")),
        *(f"scheduler {word}" for word in ("start", "stop", "status", "sync")),
        *(f"stats {word}" for word in ("sync", "validate", "show", "plot")),
        *(f"notifications {word}" for word in ("list", "show", "replay", "bounce")),
        *("alerts list", "token create"),
        *(f"webhooks {word}" for word in ("list", "show", "create", "test", "rotate", "enable", "disable")),
        *(f"webhooks {word}" for word in ("delete", "deliveries", "replay")),
    }

    assert promised - {name for name, _ in verbs()} == set()


def test_every_verb_has_help_for_itself_and_all_its_options_and_json() -> None:
    for name, command in verbs():
        options = {option for parameter in command.params for option in parameter.opts}

        assert command.help, name
        assert all(each.help for each in command.params if each.opts[0].startswith("-")), name
        assert "--json" in options or name in NO_JSON, name


def test_the_list_of_verbs_imports_none_of_them() -> None:
    command = [sys.executable, "-X", "importtime", "-P", "-m", "qs", "--help"]

    found = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True)

    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in found.stderr.splitlines()}
    assert "typer" in imported
    assert (
        imported & {"sqlalchemy", "litestar", "asyncpg", "redis", "structlog", "alembic", "msgspec", "yaml"}
        == set()
    )
    assert all(name in found.stdout for name in VERBS)


def test_help_costs_little_more_than_the_libraries_that_print_it() -> None:
    libraries = [sys.executable, "-c", "import typer.rich_utils"]
    help_of_qs = [sys.executable, "-P", "-m", "qs", "--help"]

    rounds = [(seconds(libraries), seconds(help_of_qs)) for _ in range(5)]

    # What it may import is counted elsewhere; this is about what it does besides, on a machine that is busy.
    assert min(ours for _, ours in rounds) < 5 * min(bare for bare, _ in rounds)


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=clean_environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("config", "nonsense"),
        ("config", "show", "--nonsense"),
        ("clock", "advance"),
        ("clock", "advance", "--by", "1d", "--to", "2030-01-01T00:00:00Z"),
        ("clock", "advance", "--by", "soon"),
        ("clock", "advance", "--to", "2030-01-01T00:00:00"),
        ("api", "--port", "70000"),
        ("worker", "--roles", ""),
        ("worker", "--roles", " , "),
        ("worker", "--roles", "cron,nope"),
    ],
)
def test_misuse_exits_with_2_and_says_so_on_stderr(arguments: tuple[str, ...]) -> None:
    found = qs(*arguments)

    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "arguments", [("config", "show"), ("clock", "show"), ("db", "check"), ("api",), ("up",), ("worker",)]
)
def test_a_bad_setting_stops_every_verb_with_1_naming_its_key(arguments: tuple[str, ...]) -> None:
    found = qs(*arguments, given={"QS_PORT": "nonsense"})

    assert (found.returncode, found.stdout) == (1, "")
    assert "server.port: is nonsense (QS_PORT); expected a whole number" in found.stderr


def test_the_settings_file_may_be_named_before_the_verb(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("lang: zh_CN")

    found = qs("-c", "other.yaml", "config", "show", "--json", cwd=tmp_path)

    assert json.loads(found.stdout)["lang"] == "zh_CN"


def test_the_version_is_that_of_the_package() -> None:
    assert qs("--version").stdout == "0.1.0\n"


def test_a_database_that_is_away_is_one_sentence_and_exit_1(tmp_path: Path) -> None:
    away = {"QS_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d", "QS_REDIS_URL": "redis://127.0.0.1:1"}

    found = qs("clock", "show", given={"QS_SECRET_KEY": SECRET_KEY, "QS_HOME": str(tmp_path), **away})

    assert (found.returncode, found.stdout) == (1, "")
    assert "does not answer" in found.stderr
    assert "hunter2" not in found.stderr
    assert "Traceback" not in found.stderr


@pytest.fixture
def installation(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": SECRET_KEY,
        "QS_DATABASE_URL": database_url,
        "QS_REDIS_URL": redis_url,
    }


async def statement_on(installation: dict[str, str], statement: str) -> list[Any]:
    """The rows of the statement, run as the superuser."""
    connection = await asyncpg.connect(installation["QS_DATABASE_URL"])
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


def answer(installation: dict[str, str], *arguments: str) -> Any:
    found = qs(*arguments, "--json", given=installation)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_business_time_is_shown_and_moved_forward_only(installation: dict[str, str]) -> None:
    before = answer(installation, "clock", "show")
    after = answer(installation, "clock", "advance", "--by", "7d")
    back = qs("clock", "advance", "--to", before["now"], given=installation)

    assert (before["offset_s"], after["offset_s"]) == (0, 7 * 86400)
    assert (
        answer(installation, "clock", "advance", "--to", "2190-01-01T00:00:00+08:00")["now"]
        >= "2189-12-31T16:00"
    )
    assert (back.returncode, back.stdout) == (1, "")
    assert "only moves forward" in back.stderr


def test_what_was_kept_long_enough_is_removed_and_counted(installation: dict[str, str]) -> None:
    over = (
        "INSERT INTO idempotency_key (tenant_id, principal, key, fingerprint, state, claim, lease_until, expires_at)"
        " SELECT gen_random_uuid(), 'x', 'x', '', 'done', gen_random_uuid(), now(), now() FROM generate_series(1, 3)"
    )
    asyncio.run(statement_on(installation, over))

    first, again = answer(installation, "retention"), answer(installation, "retention")
    (row,) = asyncio.run(statement_on(installation, "SELECT status, fired_by FROM execution LIMIT 1"))

    assert (first["idempotency_keys"], again["idempotency_keys"]) == (3, 0)
    assert (row["status"], row["fired_by"]) == ("succeeded", "cli")


def test_business_time_is_real_in_production(installation: dict[str, str]) -> None:
    found = qs("clock", "advance", "--by", "1s", given=installation | {"QS_ENV": "production"})

    assert found.returncode == 1
    assert "production" in found.stderr


def test_a_date_in_a_plans_file_that_the_calendar_lacks_is_named_by_its_place(
    installation: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "name: a\nscale_code: PHQ-9\nschedule_type: fixed_date\nfixed_dates: [2027-02-30, 2027-03-01]\n"
    )

    for verb in (("create",), ("preview", "--start", "2027-01-01")):
        found = qs("plan", *verb, "-f", str(file), given=installation)

        assert (found.returncode, found.stdout) == (1, "")
        assert "/fixed_dates/0: must be a date as YYYY-MM-DD" in found.stderr
        assert "Traceback" not in found.stderr


def test_a_plan_is_previewed_and_created_from_the_same_file(
    installation: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "name: a\nscale_code: PHQ-9\nschedule_type: fixed_date\nfixed_dates: [2027-03-01]\ntrigger_time: 09:00\n"
    )

    shown = answer(installation, "plan", "preview", "-f", str(file), "--start", "2027-01-01")
    made = answer(installation, "plan", "create", "-f", str(file))

    assert [each["date"] for each in shown["occasions"]] == made["fixed_dates"] == ["2027-03-01"]
    assert answer(installation, "plan", "list", "--status", "active")["total"] == 1


def test_moving_the_clock_is_audited(installation: dict[str, str]) -> None:
    answer(installation, "clock", "advance", "--by", "1h")

    rows = asyncio.run(statement_on(installation, "SELECT action, actor FROM audit"))

    assert [(row["action"], row["actor"].partition(":")[0]) for row in rows] == [("clock.advanced", "cli")]


def test_a_database_at_head_with_the_tables_of_the_code_passes_the_check(
    installation: dict[str, str],
) -> None:
    found = answer(installation, "db", "check")

    assert found == {"revision": found["head"], "head": found["head"], "serves": True, "differences": []}


def test_upgrading_again_changes_nothing(installation: dict[str, str]) -> None:
    found = answer(installation, "db", "upgrade")

    assert found["from"] == found["to"]


def test_a_dry_run_lists_what_each_phase_would_do_and_the_phase_tells_how_it_went(
    installation: dict[str, str],
) -> None:
    asyncio.run(statement_on(installation, "UPDATE alembic_version SET version_num = '0015'"))
    for statement in schema_0016.downgrade_statements():
        asyncio.run(statement_on(installation, statement))

    listed = answer(installation, "db", "upgrade", "--dry-run", "--phase", "expand")
    done = qs("db", "upgrade", "--phase", "expand", "--json", given=installation)

    assert (listed[0]["number"], listed[0]["phase"]) == ("0016", "expand")
    assert (json.loads(done.stdout)["from"], done.returncode) == ("0015", 0)
    assert re.search(
        r"^0016 applied in [0-9.]+ s: Messages are forgotten after their time$", done.stderr, re.MULTILINE
    )
    assert answer(installation, "db", "upgrade", "--dry-run") == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "ALTER TABLE plan ADD COLUMN surprise text",
            "plan.surprise is in the database, and the code does not know it",
        ),
        ("ALTER TABLE plan DROP COLUMN name CASCADE", "plan.name is missing in the database"),
        ("DROP TABLE inbox_attempt", "inbox_attempt is missing in the database"),
        (
            "ALTER TABLE relay_cursor ALTER COLUMN published_through TYPE integer",
            "relay_cursor.published_through differs",
        ),
    ],
)
def test_a_schema_that_was_changed_by_hand_fails_the_check(
    installation: dict[str, str], statement: str, said: str
) -> None:
    asyncio.run(statement_on(installation, statement))

    found = qs("db", "check", "--json", given=installation)

    assert found.returncode == 1
    assert said in str(json.loads(found.stdout)["differences"])


def test_a_table_of_somebody_else_does_not_fail_the_check(installation: dict[str, str]) -> None:
    asyncio.run(statement_on(installation, "CREATE TABLE their_own (id integer)"))

    assert answer(installation, "db", "check")["differences"] == []


def test_a_database_without_a_schema_fails_the_check_and_the_verbs_say_what_to_do(
    installation: dict[str, str],
) -> None:
    asyncio.run(statement_on(installation, "DROP TABLE alembic_version, business_clock CASCADE"))

    checked, asked = (qs(*verb, given=installation) for verb in (("db", "check"), ("clock", "show")))

    assert (checked.returncode, asked.returncode) == (1, 1)
    assert "run `qs db upgrade`" in checked.stderr
    assert "run `qs db upgrade`" in asked.stderr


LATER_AND_CONTRACTED = (
    "WITH contracted AS (UPDATE schema_compatibility SET minimum = '9998')"
    " UPDATE alembic_version SET version_num = '9999'"
)


@pytest.mark.parametrize("verb", [("db", "upgrade"), ("db", "check"), ("doctor",)])
def test_a_schema_of_a_later_release_is_left_alone_and_told_of(
    installation: dict[str, str], verb: tuple[str, ...]
) -> None:
    asyncio.run(statement_on(installation, LATER_AND_CONTRACTED))

    done = qs(*verb, given=installation)

    assert done.returncode == 1
    assert "does not serve this release" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [("db", "upgrade"), ("db", "check"), ("doctor",), ("clock", "show")])
def test_a_schema_of_a_later_release_that_serves_this_one_is_worked_on(
    installation: dict[str, str], verb: tuple[str, ...]
) -> None:
    asyncio.run(statement_on(installation, "UPDATE alembic_version SET version_num = '9999'"))

    done = qs(*verb, given=installation)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def findings(installation: dict[str, str], expected_exit: int) -> dict[str, Any]:
    found = qs("doctor", "--json", given=installation)
    assert found.returncode == expected_exit, found.stderr
    return {each["subject"]: each for each in json.loads(found.stdout)["findings"]}


def test_a_sound_installation_gets_a_clean_bill(installation: dict[str, str]) -> None:
    found = findings(installation, 0)

    assert {subject for subject, finding in found.items() if finding["severity"] == "error"} == set()
    assert {
        "settings",
        "secret_key",
        "database",
        "migrations",
        "row security",
        "redis",
        "redis clock",
    } <= set(found)
    assert "false" in found["events.entry_url"]["what"]


BROKEN = [
    ({"QS_REDIS_URL": "redis://127.0.0.1:1"}, None, "redis"),
    ({"QS_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d"}, None, "database"),
    ({"QS_SECRET_KEY": ""}, None, "secret_key"),
    ({"QS_PORT": "x"}, None, "server.port"),
    ({}, "UPDATE alembic_version SET version_num = '0001'", "migrations"),
    ({}, LATER_AND_CONTRACTED, "migrations"),
    ({}, "ALTER TABLE task NO FORCE ROW LEVEL SECURITY", "row security"),
    ({}, "ALTER TABLE plan DISABLE ROW LEVEL SECURITY", "row security"),
    ({}, "CREATE POLICY leak ON tenant TO qs_app USING (true)", "row security"),
]


@pytest.mark.parametrize(("variables", "statement", "subject"), BROKEN)
def test_the_doctor_finds_what_is_wrong_and_says_what_to_do(
    installation: dict[str, str], variables: dict[str, str], statement: str | None, subject: str
) -> None:
    if statement:
        asyncio.run(statement_on(installation, statement))

    found = findings(installation | variables, 1)

    assert {name for name, each in found.items() if each["severity"] == "error"} == {subject}
    assert found[subject]["todo"]
    assert "hunter2" not in str(found)


def test_the_doctor_speaks_of_links_in_the_stream(installation: dict[str, str]) -> None:
    found = findings(installation | {"QS_EVENTS_ENTRY_URL": "true"}, 0)

    assert found["events.entry_url"]["severity"] == "note"


def test_the_doctor_shows_who_may_do_what_as_a_table(installation: dict[str, str]) -> None:
    found = qs("doctor", given=installation)

    assert "coordinator" in found.stdout
    assert "plans:write" in found.stdout


def test_secrets_are_masked_in_what_config_shows(installation: dict[str, str]) -> None:
    found = qs("config", "show", given=installation)

    assert found.returncode == 0
    assert SECRET_KEY not in found.stdout
    assert "QS_SECRET_KEY" in found.stdout
