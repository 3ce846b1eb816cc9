"""A crontab becomes jobs, a draft of the allow-list, and a note for everything that is not the same."""

from pathlib import Path
from typing import Any

import pytest

from qs.infra.scheduler.executors.command_file import read_command_list
from qs.infra.scheduler.files.reading import read_job_file
from qs.infra.scheduler.files.yaml_text import yaml_text
from qs.infra.scheduler.importing.crontab import import_crontab
from qs.infra.scheduler.importing.imported import Imported
from tests.unit.infra.importing.samples import SYSTEM_CRONTAB, needed, told


def of(text: str | bytes, form: Any = "user", **options: Any) -> Imported:
    content = text if isinstance(text, bytes) else text.encode()
    return import_crontab(content, form=form, find_program=lambda name, path: None, **options)


def argv(imported: Imported) -> list[str]:
    [entry] = imported.commands.values()
    found: list[str] = entry["argv"]
    return found


def test_a_line_becomes_a_job_that_runs_a_command_of_the_list() -> None:
    imported = of("# every night\n0 2 * * * /opt/backup.sh --all 'two words'\n")

    assert imported.jobs == (
        {
            "name": "backup",
            "type": "cron",
            "schedule": "0 2 * * *",
            "target": {"command": "backup"},
            "remarks": "every night",
        },
    )
    assert imported.commands == {
        "backup": {"argv": ["/opt/backup.sh", "--all", "two words"], "env": {"PATH": "/usr/bin:/bin"}}
    }
    assert imported.complete


def test_jobs_and_drafts_are_what_their_readers_take(tmp_path: Path) -> None:
    imported = of(SYSTEM_CRONTAB + b"0 5 * * * root /usr/bin/env A={x} true\n", form="auto")
    commands = tmp_path / "commands.yaml"
    commands.write_text(yaml_text(dict(imported.commands)))
    commands.chmod(0o600)

    definitions = read_job_file(yaml_text({"jobs": list(imported.jobs)})).definitions()
    listed = read_command_list(commands)

    assert [definition.name for definition in definitions] == ["run-parts", "backup", "true"]
    assert all("its program cannot be found" in why for why in listed.refused.values())
    found = listed.find("true")
    assert found is not None
    assert found.arguments({}) == ["/usr/bin/env", "A={x}", "true"]


@pytest.mark.parametrize("form", ["auto", "system"])
def test_a_system_crontab_names_users_which_a_person_has_to_see_to(form: str) -> None:
    imported = of(SYSTEM_CRONTAB, form=form)

    assert [job["name"] for job in imported.jobs] == ["run-parts", "backup"]
    assert "line 7: the user 'root': cron ran commands as that user" in told(imported)


def test_a_command_that_is_called_like_a_user_is_no_user() -> None:
    imported = of("0 3 * * * git -C /srv/x pull\n0 4 * * * root-of-all-evil now\n", form="auto")

    assert [job["name"] for job in imported.jobs] == ["git", "root-of-all-evil"]


def test_accounts_of_the_machine_tell_a_system_crontab() -> None:
    imported = of("0 3 * * * alice /opt/a\n", form="auto", users=["alice"])

    assert imported.commands["a"]["argv"] == ["/opt/a"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/opt/a | mail x", "`|` hands its output to another program"),
        ("cd /srv && ./run", "`&` runs more than one program"),
        ("/opt/a; /opt/b", "`;` runs more than one program"),
        ("/opt/a >> /var/log/a.log 2>&1", "`>` writes to a file"),
        ("/opt/a 2>/var/log/a.err", "`>` writes to a file"),
        ("/opt/a < /srv/in", "`<` reads from a file"),
        ("/opt/a $HOME", "`$` is a variable or another program"),
        ('/opt/a "$HOME"', "`$` is a variable or another program"),
        ("/opt/a `date`", "a backquote runs another program"),
        ("/opt/a *.log", "`*` is a file pattern"),
        ("/opt/a ~/x", "`~` is a home directory"),
        ("/opt/a {x,y}", "`{…}` stands for several words"),
        ("(/opt/a)", "`(` opens another shell"),
        ("cd /srv", "`cd` is a word of the shell and no program"),
        ("A=1", "there is no program in it"),
        ("/opt/a 'open", "the quote ' is never closed"),
        ("mail -s hi x%Dear%all", "`%` hands it lines on its input"),
        ("x" * 5000 + " y", "a longer one than 4096 characters"),
    ],
)
def test_what_needs_a_shell_is_drafted_as_a_script_and_listed(command: str, reason: str) -> None:
    imported = of(f"0 2 * * * {command}\n")

    [note] = needed(imported)
    [path] = imported.scripts
    assert note.line == 1
    assert f"could not be carried over as is: {reason}" in note.why or reason in note.why
    assert f"create {path} (mode 0755" in note.what_to_do
    assert argv(imported) == [path]
    assert imported.scripts[path].startswith("#!/bin/sh\n")
    assert len(imported.jobs) == 1


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/opt/a >/dev/null 2>&1", ["/opt/a"]),
        ("/opt/a > /dev/null", ["/opt/a"]),
        ("/opt/a>/dev/null 2>/dev/null", ["/opt/a"]),
        ("/opt/a &>/dev/null", ["/opt/a"]),
        ("/opt/a </dev/null", ["/opt/a"]),
        ("/opt/a 2>&1", ["/opt/a"]),
        ("/opt/a b\\ c \"d 'e'\" 'f \"g\"'", ["/opt/a", "b c", "d 'e'", 'f "g"']),
        ("/opt/a '$x' '*' \"a\\$b\"", ["/opt/a", "$x", "*", "a$b"]),
        ("/opt/a 100\\%", ["/opt/a", "100%"]),
        ("/opt/a # as agreed", ["/opt/a"]),
        ("/opt/a x#y", ["/opt/a", "x#y"]),
        ("/opt/a {}", ["/opt/a", "{{}}"]),
        ("/opt/../opt/a ''", ["/opt/a", ""]),
    ],
)
def test_what_needs_no_shell_is_carried_over_word_by_word(command: str, expected: list[str]) -> None:
    imported = of(f"0 2 * * * {command}\n")

    assert argv(imported) == expected
    assert imported.complete


def test_assignments_and_variables_become_the_environment_of_the_entry() -> None:
    imported = of("PATH=/opt/bin\nLANG = C.UTF-8\n0 2 * * * A=1 B='x y' /opt/a\n")

    assert imported.commands["a"]["env"] == {"PATH": "/opt/bin", "LANG": "C.UTF-8", "A": "1", "B": "x y"}


def test_a_secret_in_a_variable_becomes_a_reference_and_is_listed() -> None:
    imported = of("DB_PASSWORD=hunter22\n0 2 * * * API_TOKEN=abcdefgh /opt/a\n")

    assert imported.commands["a"]["env"]["DB_PASSWORD"] == "secret://db-password"
    assert imported.commands["a"]["env"]["API_TOKEN"] == "secret://api-token"
    assert "QS_SECRET_DB_PASSWORD" in told(imported)
    assert "hunter22" not in told(imported)
    assert "abcdefgh" not in told(imported)


def test_a_secret_in_the_arguments_is_hidden_in_notes() -> None:
    imported = of(
        '0 2 * * * /opt/a --password=hunter22 -H "Authorization: Bearer hunter22" https://u:hunter22@e.org\n'
    )

    assert "a secret seems to stand in the arguments" in told(imported)
    assert "hunter22" not in told(imported)


def test_variables_hold_for_the_lines_below_them() -> None:
    imported = of(
        "0 1 * * * /opt/a\nCRON_TZ=Asia/Tokyo\nMAILTO=a@example.org,b@example.org\nRANDOM_DELAY=5\n0 2 * * * /opt/b\n"
        'CRON_TZ=\nMAILTO=""\n0 3 * * * /opt/c\n'
    )

    first, second, third = imported.jobs
    assert "timezone" not in first
    assert (second["timezone"], second["jitter"]) == ("Asia/Tokyo", "5m")
    assert second["notify"] == {"email": ["a@example.org", "b@example.org"]}
    assert "notify" not in third


def test_a_mailbox_of_the_machine_is_no_address() -> None:
    imported = of("MAILTO=root\n0 2 * * * /opt/a\n")

    assert "line 1: MAILTO='root': is no e-mail address" in told(imported)
    assert not imported.complete


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("@hourly", {"type": "cron", "schedule": "@hourly"}),
        ("@Midnight", {"type": "cron", "schedule": "@midnight"}),
        ("@every_minute", {"type": "cron", "schedule": "* * * * *"}),
        ("@600", {"type": "fixed_delay", "schedule": "600s"}),
        ("0~59 3 * * *", {"type": "cron", "schedule": "H(0-59) 3 * * *"}),
        ("~ ~ * * *", {"type": "cron", "schedule": "H H * * *"}),
        ("~30 4 * * *", {"type": "cron", "schedule": "H(0-30) 4 * * *"}),
        ("-*/15 * * * *", {"type": "cron", "schedule": "*/15 * * * *"}),
        ("0 0 1-15/2,20 jan-mar Sun,7", {"type": "cron", "schedule": "0 0 1-15/2,20 jan-mar Sun,7"}),
    ],
)
def test_spellings_of_cron_are_known(spec: str, fields: dict[str, str]) -> None:
    [job] = of(f"{spec} /opt/a\n").jobs

    assert {key: job[key] for key in fields} == fields


def test_a_single_value_with_a_step_is_something_to_check() -> None:
    imported = of("5/15 * * * * /opt/a\n")

    assert "here a/n means from a to the end in steps of n" in told(imported)
    assert len(imported.jobs) == 1
    assert not imported.complete


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@reboot /opt/a", "@reboot means the start of a machine"),
        ("@AppleNotOnBattery /opt/a", "'@AppleNotOnBattery' is no schedule that is known here"),
        ("*/90 * * * * /opt/a", "use a duration job with schedule 90m"),
        ("0 24 * * * /opt/a", "hour 24 is not in 0-23"),
        ("0 0 30 2 * /opt/a", "would never fire"),
        ("* * * *", "is neither five fields with a command nor NAME=value"),
        ("hello", "is neither five fields with a command nor NAME=value"),
        ("0 2 * * *", "is neither five fields with a command nor NAME=value"),
    ],
)
def test_what_cannot_be_a_job_is_left_out_and_listed(line: str, why: str) -> None:
    imported = of(f"\n{line}\n")

    [note] = needed(imported)
    assert note.line == 2
    assert why in str(note)
    assert imported.jobs == ()
    assert imported.commands == {}


def test_rights_that_a_command_cannot_gain_are_listed() -> None:
    imported = of("0 2 * * * /usr/bin/sudo -u www-data /opt/a\n")

    assert "sudo cannot gain rights" in told(imported)
    assert [job["name"] for job in imported.jobs] == ["www-data"]


def test_a_program_without_a_path_is_looked_for_or_left_to_a_person() -> None:
    found = import_crontab(
        b"PATH=/opt/bin\n0 2 * * * tool x\n", find_program=lambda name, path: f"{path}/{name}"
    )
    absent = of("0 2 * * * tool x\n")

    assert argv(found) == ["/opt/bin/tool", "x"]
    assert argv(absent) == ["/usr/local/bin/tool", "x"]
    assert found.complete
    assert not absent.complete


def test_comments_and_entries_that_are_commented_out_are_told_of() -> None:
    imported = of(
        "# kept by ops\n\n#0 5 * * * /opt/old\n# about a\n# and more\n0 2 * * * /opt/a # tail\n# the end\n"
    )

    assert imported.jobs[0]["remarks"] == "about a and more"
    assert "line 3: '0 5 * * * /opt/old': is commented out" in told(imported)
    assert "those in lines 1, 7 belong to no entry" in told(imported)


def test_equal_commands_share_an_entry_and_names_are_given_once() -> None:
    imported = of("0 1 * * * /opt/a\n0 2 * * * /opt/a\n0 3 * * * /opt/a x\n")

    assert [job["name"] for job in imported.jobs] == ["a", "a-2", "a-3"]
    assert [job["target"]["command"] for job in imported.jobs] == ["a", "a", "a-2"]


def test_a_shell_that_was_named_runs_the_script() -> None:
    imported = of("SHELL=/bin/bash\n0 1 * * * cd /srv && ./run.sh --fast\n")

    assert imported.scripts == {"/usr/local/lib/qs/jobs/run.sh": "#!/bin/bash\ncd /srv && ./run.sh --fast\n"}


def test_names_stay_apart_however_many_there_are() -> None:
    imported = of("".join(f"{n % 60} 2 * * * /opt/a {n}\n" for n in range(200)))

    assert len({job["name"] for job in imported.jobs}) == 200
