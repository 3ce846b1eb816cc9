"""``qs embedded`` as a person and a script use it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qs.infra.embedded import ensure, status
from qs.interface.cli.embedded import app, default_home

RUN = [sys.executable, "-c", "from qs.interface.cli.embedded import app; app()"]


def test_the_home_is_named_by_the_environment_or_in_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/of/mine")
    monkeypatch.delenv("QS_HOME", raising=False)
    assert default_home() == Path("/of/mine/.qs")

    monkeypatch.setenv("QS_HOME", "~/elsewhere")
    assert default_home() == Path("/of/mine/elsewhere")


def test_status_and_stop_tell_what_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QS_HOME", str(home))
    run = CliRunner().invoke

    with ensure(home, ephemeral=True) as lease:
        shown = json.loads(run(app, ["status", "--json"]).stdout)
        assert shown["running"]
        assert shown["database_url"] == lease.database_url
        assert lease.database_url in run(app, ["status"]).stdout
        assert json.loads(run(app, ["stop", "--json"]).stdout) == {"stopped": True}

    assert json.loads(run(app, ["stop", "--json"]).stdout) == {"stopped": False}
    assert json.loads(run(app, ["status", "--home", str(home), "--json"]).stdout)["phase"] == "stopped"
    assert not status(home).running


def test_psql_starts_the_servers_and_holds_them_while_it_runs(new_home: Path) -> None:
    shell = subprocess.run(
        [*RUN, "psql", "--home", str(new_home)],
        input="CREATE TABLE written (value text);\nINSERT INTO written VALUES ('a'), (NULL), ('');\n",
        capture_output=True,
        text=True,
        check=True,
    )
    command = [*RUN, "psql", "--home", str(new_home), "--json", "--command"]
    read = subprocess.run([*command, "TABLE written"], capture_output=True, text=True, check=True)
    wrong = subprocess.run([*command, "TABLE nowhere"], capture_output=True, text=True, check=False)

    assert "INSERT 0 3" in shell.stdout
    assert json.loads(read.stdout) == {"rows": [{"value": "a"}, {"value": None}, {"value": ""}]}
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    assert "does not exist" in wrong.stderr


def test_psql_with_json_needs_a_statement(new_home: Path) -> None:
    result = CliRunner().invoke(app, ["psql", "--home", str(new_home), "--json"])

    assert result.exit_code == 2
    assert "--command" in result.stderr
    assert not new_home.exists()


def test_a_refusal_is_a_sentence_and_status_1(ground: Path) -> None:
    (ground / "file").touch()

    result = CliRunner().invoke(app, ["psql", "--home", str(ground / "file")])

    assert result.exit_code == 1
    assert "set QS_HOME" in result.stderr
    assert "Traceback" not in result.stderr
