"""`qs job import` and `qs config import`: what is on stdout and stderr, in files, and the exit codes."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from qs.infra.scheduler.files.reading import read_job_file
from qs.interface.cli.config_import import import_config
from qs.interface.cli.job_import import import_jobs
from qs.settings.loading import load_settings
from tests.unit.infra.importing.samples import ECRON, GOCRON, SYSTEM_CRONTAB
from tests.unit.infra.importing.test_settings import BINGO

app = typer.Typer()
app.command("job")(import_jobs)
app.command("config")(import_config)


def run(*arguments: object, stdin: bytes = b"") -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given"


def test_all_carried_over_is_a_job_file_on_stdout_and_0(file: Path) -> None:
    file.write_bytes(GOCRON)

    result = run("job", "gocron", file)

    assert result.exit_code == 0
    assert [each.name for each in read_job_file(result.stdout).definitions()] == ["hello_job", "cleanup_job"]
    assert "2 jobs, 0 commands drafted, 0 notes (!) need a person" in result.stderr


def test_notes_for_a_person_are_on_stderr_and_1(file: Path) -> None:
    file.write_bytes(ECRON)

    result = run("job", "ecron", file)

    assert result.exit_code == 1
    assert "! line 2: the secret in Authorization" in result.stderr
    assert "headersecret" not in result.stderr + result.stdout


def test_a_file_that_cannot_be_read_is_misuse(file: Path) -> None:
    file.write_bytes(b"[")

    broken, absent = run("job", "ecron", file), run("job", "ecron", file.with_name("absent"))
    unknown = run("job", "quartz", file)

    assert (broken.exit_code, absent.exit_code, unknown.exit_code) == (2, 2, 2)
    assert f"{file}: nothing was imported: line 1: is not JSON" in broken.stderr
    assert "absent cannot be read: No such file or directory" in absent.stderr


def test_jobs_and_the_draft_of_commands_go_into_files_that_only_their_owner_reads(file: Path) -> None:
    file.write_bytes(SYSTEM_CRONTAB)
    jobs, commands = file.with_name("jobs.yaml"), file.with_name("commands.yaml")

    result = run("job", "crontab", file, "--out", jobs, "--commands-out", commands, "--form", "system")

    assert (result.exit_code, result.stdout) == (1, "")
    assert [each.name for each in read_job_file(jobs).definitions()] == ["run-parts", "backup"]
    assert list(yaml.safe_load(commands.read_text())) == ["run-parts", "backup"]
    assert "#     cd / && run-parts --report /etc/cron.hourly" in commands.read_text()
    assert {stat.S_IMODE(each.stat().st_mode) for each in (jobs, commands)} == {0o600}
    assert f"next: qs job diff -f {jobs}" in result.stderr


def test_a_file_that_is_there_is_not_written_over(file: Path) -> None:
    file.write_bytes(GOCRON)

    result = run("job", "gocron", file, "--out", file)

    assert result.exit_code == 2
    assert "exists already and is not written over; name another file" in result.stderr
    assert file.read_bytes() == GOCRON


def test_json_has_everything(file: Path) -> None:
    file.write_bytes(SYSTEM_CRONTAB)

    result = run("job", "crontab", file, "--json")

    data = json.loads(result.stdout)
    assert data.keys() == {"complete", "jobs", "commands", "scripts", "notes"}
    assert data["complete"] is False
    assert data["notes"][0].keys() == {"line", "what", "why", "what_to_do", "needs_person"}


def test_stdin_is_read_by_its_dash() -> None:
    assert run("job", "gocron", "-", stdin=GOCRON).exit_code == 0


def test_settings_are_shown_with_their_secrets_masked(file: Path) -> None:
    file.write_text(BINGO)

    result = run("config", "bingo", file)
    as_json = run("config", "bingo", file, "--json")

    assert result.exit_code == as_json.exit_code == 1
    assert "url: redis://:********@redis:6379/1" in result.stdout
    assert json.loads(as_json.stdout)["settings"]["smtp"]["password"] == "********"
    for secret in ("mailsecret", "dbsecret", "re%2Fdis", "xEJwGVQ", "dfVpOK8"):
        assert secret not in result.stdout + result.stderr + as_json.stdout
    assert "--out FILE writes them" in result.stderr


def test_settings_with_their_secrets_go_into_a_file_that_only_its_owner_reads(file: Path) -> None:
    file.write_bytes(b"log: {level: warn}\nredis: {host: 'r:1', password: hunter22}\n")
    out = file.with_name("qs.yaml")

    result = run("config", "bingo", file, "--out", out)

    assert (result.exit_code, result.stdout) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    settings = load_settings(out, {})
    assert (settings.log.level, settings.redis.url) == ("warning", "redis://:hunter22@r:1/0")


def test_what_would_stop_a_start_is_told_before(file: Path) -> None:
    file.write_bytes(b"server: {addr: ':8080', mode: debug}\n")

    result = run("config", "bingo", file)

    assert result.exit_code == 1
    assert "! qs.yaml server.host: is 0.0.0.0, and development listens on loopback only" in result.stderr


def test_settings_that_cannot_be_read_are_misuse(file: Path) -> None:
    file.write_bytes(b"a:\n\tb: 1\n")

    result = run("config", "ecron", file)

    assert result.exit_code == 2
    assert "line 2: a tab stands where YAML takes blanks only" in result.stderr
