"""`qs job apply`, `diff` and `export`: the jobs of a file."""

import json
from datetime import UTC, datetime

import pytest

from qs.application.scheduler.compiling import Calendars
from qs.application.scheduler.job_sets import Surroundings
from qs.interface.cli import job_files

from .conftest import Answer, Qs, Rows, Write

TWO = """
jobs:
  - name: hello
    type: duration
    schedule: 30s
    target: {builtin: hello_job}
    retry: {max_attempts: 2}
    on_success: [tidy]
  - name: tidy
    type: cron
    schedule: "0 3 * * *"
    target: {builtin: cleanup_job}
"""
ONE = """
- {name: hello, type: duration, schedule: 30s, target: {builtin: hello_job}}
"""


def names(answer: Answer, *options: object) -> list[str]:
    return [each["name"] for each in answer("job", "list", *options)["items"]]


def test_a_file_is_applied_once_and_then_changes_nothing(qs: Qs, answer: Answer, write: Write, rows: Rows):
    file = write(TWO)

    first, again = qs("job", "apply", "-f", file), qs("job", "apply", "-f", file)

    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        "+ hello: duration '30s'",
        "+ tidy: cron '0 3 * * *'",
        "2 created, 0 changed, 0 pruned, 0 unchanged",
    ]
    assert again.stdout == "0 created, 0 changed, 0 pruned, 2 unchanged\n"
    listed = answer("job", "list", "--owner", "jobs.yaml")["items"]
    assert {(each["source"], each["owner"]) for each in listed} == {("stored", "jobs.yaml")}
    assert [row["action"] for row in rows("SELECT action FROM audit")] == ["job.apply"]


def test_what_changed_is_named_field_by_field(qs: Qs, answer: Answer, write: Write):
    qs("job", "apply", "-f", write(TWO))
    file = write(
        TWO.replace("30s", "1m")
        .replace("2}", "5, delay: 3s}")
        .replace("[tidy]", "[tidy]\n    payload: {token: x}")
    )

    told = qs("job", "diff", "-f", file)
    found = answer("job", "apply", "-f", file)

    assert told.stdout.splitlines() == [
        "~ hello",
        "    schedule: '30s' → '1m'",
        "    payload.token: null → ********",
        "    retry.max_attempts: 2 → 5",
        "    retry.delay: '10s' → '3s'",
        "0 to create, 1 to change, 0 to prune, 1 unchanged",
    ]
    (changed,) = found["changed"]
    assert [found["owner"], found["dry_run"], found["unchanged"]] == ["jobs.yaml", False, ["tidy"]]
    assert {each["field"]: each["after"] for each in changed["fields"]} == {
        "schedule": "1m",
        "payload.token": "********",
        "retry.max_attempts": 5,
        "retry.delay": "3s",
    }
    assert answer("job", "show", "hello")["document"]["retry"]["max_attempts"] == 5


@pytest.mark.parametrize("verb", [("apply", "--dry-run"), ("diff",)])
def test_looking_at_what_would_change_changes_nothing(qs: Qs, answer: Answer, write: Write, verb):
    file = write(TWO)

    found = answer("job", *verb, "-f", file, code=1 if verb == ("diff",) else 0)

    assert [each["name"] for each in found["created"]] == ["hello", "tidy"]
    assert found["dry_run"] is True
    assert names(answer) == []


def test_diff_tells_by_its_exit_code_whether_there_is_a_difference(qs: Qs, answer: Answer, write: Write):
    file = write(TWO)
    before = qs("job", "diff", "-f", file)
    qs("job", "apply", "-f", file)

    same = qs("job", "diff", "-f", file)
    qs("job", "disable", "tidy")
    drifted = qs("job", "diff", "-f", file)

    assert [before.exit_code, same.exit_code, drifted.exit_code] == [1, 0, 1]
    assert "    enabled: false → true" in drifted.stdout


def test_jobs_that_left_the_file_stay_until_they_are_pruned(qs: Qs, answer: Answer, write: Write):
    qs("job", "apply", "-f", write(TWO))
    file = write(ONE)

    kept = qs("job", "apply", "-f", file)
    no_difference = qs("job", "diff", "-f", file)
    difference = qs("job", "diff", "-f", file, "--prune")
    pruned = qs("job", "apply", "-f", file, "--prune")

    assert (
        kept.stderr
        == "the owner 'jobs.yaml' has 1 job (tidy) besides, not in the file; --prune removes them\n"
    )
    assert (no_difference.exit_code, difference.exit_code) == (0, 1)
    assert pruned.stdout.splitlines() == ["- tidy", "0 created, 0 changed, 1 pruned, 1 unchanged"]
    assert names(answer) == ["hello"]


def test_nobody_prunes_or_changes_the_jobs_of_others(qs: Qs, answer: Answer, write: Write, job):
    job("by-hand")
    qs("job", "apply", "-f", write(TWO, "theirs.yaml"))

    pruned = answer("job", "apply", "-f", write("jobs: []"), "--prune")
    mine = write(ONE + "- {name: by-hand, type: duration, schedule: 5s, target: {builtin: hello_job}}\n")
    taken = qs("job", "apply", "-f", mine, "--prune")

    assert pruned["pruned"] == []
    assert (taken.exit_code, taken.stdout) == (1, "")
    assert (
        f"{mine}:2: name: 'hello': belongs to the owner 'theirs.yaml', so 'jobs.yaml' may not change it; "
        "choose another name, or say --owner theirs.yaml"
    ) in taken.stderr
    assert f"{mine}:3: name: 'by-hand': was created by hand and has no owner" in taken.stderr
    assert names(answer) == ["by-hand", "hello", "tidy"]
    assert qs("job", "apply", "-f", mine, "--owner", "theirs.yaml").exit_code == 1
    assert answer("job", "apply", "-f", write(ONE), "--owner", "theirs.yaml")["unchanged"] == []


def test_a_job_declared_in_the_settings_is_nobody_elses(qs: Qs, write: Write, rows: Rows, job):
    job("hello")
    rows("UPDATE job SET source = 'declared', owner = 'settings'")

    done = qs("job", "apply", "-f", write(ONE), "--owner", "settings")

    assert done.exit_code == 1
    assert "is declared in the settings file (scheduler.jobs), so 'settings' may not change it" in done.stderr


def test_nothing_is_applied_when_one_job_of_the_file_is_wrong(qs: Qs, answer: Answer, write: Write):
    file = write(
        ONE
        + """
- name: second
  type: cron
  schedule: "61 * * * *"
  target: {builtin: hallo}
- name: third
  type: cron
  schedule: "@daily"
  timezone: Mars/Olympus
  on_failre: [hello]
- {name: hello, type: cron, schedule: "@daily", target: {builtin: hello_job}}
"""
    )

    done = qs("job", "apply", "-f", file)

    assert (done.exit_code, done.stdout) == (1, "")
    for told in (
        f"{file}:6: schedule: '61 * * * *'",
        f"{file}:7: target.builtin.name: 'hallo'",
        f'{file}:12: on_failre: ["hello"]: is not a field here; did you mean on_failure?',
        f"{file}:13: name: 'hello': is the name of the job in line 2 too",
    ):
        assert told in done.stderr
    assert names(answer) == []


@pytest.mark.parametrize("verb", [("apply",), ("apply", "--dry-run"), ("diff",)])
def test_jobs_that_would_start_one_another_for_ever_are_refused_by_line(
    qs: Qs, answer: Answer, write: Write, verb
):
    qs("job", "apply", "-f", write(TWO))
    file = write(
        "- {name: third, type: cron, schedule: '@daily', target: {builtin: hello_job}, on_failure: [third]}\n",
        "other.yaml",
    )

    done = qs("job", *verb, "-f", file)

    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        f'{file}:1: on_failure: ["third"]: leads back to the job it began at (third → third)' in done.stderr
    )
    assert names(answer) == ["hello", "tidy"]


def test_a_ring_through_jobs_that_are_there_already_is_seen(qs: Qs, write: Write):
    qs("job", "apply", "-f", write(TWO, "first.yaml"))
    ring = write(TWO.replace("cleanup_job}", "cleanup_job}\n    on_completion: [hello]"), "first.yaml")

    done = qs("job", "diff", "-f", ring)

    assert done.exit_code == 1
    assert f"{ring}:8: on_success" in done.stderr
    assert f"{ring}:13: on_completion" in done.stderr


def test_what_somebody_wrote_at_the_same_moment_is_refused_by_line_too(
    qs: Qs, answer: Answer, write: Write, job, monkeypatch: pytest.MonkeyPatch
):
    job("a/b")
    file = write(ONE + "- {name: a/b, type: duration, schedule: 5s, target: {builtin: hello_job}}\n")

    async def before(*of: object) -> Surroundings:
        return Surroundings({}, Calendars(), datetime.now(UTC))

    monkeypatch.setattr(job_files, "surroundings", before)
    done = qs("job", "apply", "-f", file)

    assert (done.exit_code, done.stdout) == (1, "")
    assert f"{file}:3: " in done.stderr
    assert "there is a job named 'a/b' already" in done.stderr
    assert names(answer) == ["a/b"]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("jobs:\n\t- name: a\n", 2, "a tab stands where YAML takes blanks only"),
        ("jobs: {}\n", 1, "is no list"),
        ("", 1, "is empty; write `jobs: []` for no jobs at all"),
        ("name: a\n", 1, "is one job and no list"),
        ("- name: a\n  name: b\n", 2, "the key 'name' stands twice"),
    ],
)
def test_a_file_that_is_no_job_file_is_refused_by_line(qs: Qs, write: Write, content, line, said):
    file = write(content)

    for verb in ("apply", "diff"):
        done = qs("job", verb, "-f", file)

        assert (done.exit_code, done.stdout) == (1, "")
        assert f"{file}:{line}: " in done.stderr
        assert said in done.stderr
        assert done.stderr.count(said) == 1


def test_a_file_that_cannot_be_read_or_has_no_name_is_misuse(qs: Qs, tmp_path):
    for arguments, said in (
        (("-f", "missing.yaml"), "missing.yaml cannot be read: No such file"),
        (("-f", tmp_path), "cannot be read: Is a directory"),
        (("-f", "-"), "jobs from stdin need --owner"),
        (("-f", "x.yaml", "--owner", " "), "--owner must be 1 to 200 printable characters"),
        ((), "--file"),
    ):
        for verb in ("apply", "diff"):
            done = qs("job", verb, *arguments, stdin=ONE)

            assert (done.exit_code, done.stdout) == (2, "")
            assert said in done.stderr


def test_what_is_exported_can_be_applied_as_it_is(qs: Qs, answer: Answer, write: Write, tmp_path):
    qs("job", "apply", "-f", write(TWO))

    to_stdout, as_json = qs("job", "export"), answer("job", "export", "--owner", "jobs.yaml")
    to_file = answer("job", "export", "-o", "out.yaml")

    assert to_file == {"file": "out.yaml", "jobs": 2}
    assert (tmp_path / "out.yaml").read_text() == to_stdout.stdout
    assert [each["name"] for each in as_json["jobs"]] == ["hello", "tidy"]
    for content in (to_stdout.stdout, json.dumps(as_json)):
        found = answer("job", "diff", "-f", "-", "--owner", "jobs.yaml", stdin=content)
        assert found["unchanged"] == ["hello", "tidy"]


def test_an_export_tells_what_it_leaves_out_and_what_it_gives_away(
    qs: Qs, answer: Answer, write: Write, rows: Rows, job
):
    job("declared")
    rows("UPDATE job SET source = 'sys_crontab'")
    job("secretive", "--payload", '{"api_key": "hunter2"}')

    done, nobodys = qs("job", "export"), qs("job", "export", "--owner", "nobody")
    unwritable = qs("job", "export", "-o", "missing/out.yaml")

    assert "declared" not in done.stdout
    assert "1 job (declared) declared elsewhere left out" in done.stderr
    assert "hunter2" in done.stdout
    assert "1 job (secretive) with what looks like a secret, in clear" in done.stderr
    assert (nobodys.exit_code, nobodys.stdout) == (1, "")
    assert "there is no job of the owner 'nobody'" in nobodys.stderr
    assert unwritable.exit_code == 2
    assert "missing/out.yaml cannot be written" in unwritable.stderr
