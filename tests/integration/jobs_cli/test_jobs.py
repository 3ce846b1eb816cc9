"""`qs job` and its verbs for one job: list, show, create, enable, disable, next, remove, preview, backfill."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from qs.interface.cli import output

from .conftest import Answer, Qs, Rows, Write


@pytest.mark.parametrize("named_by", ["name", "id"])
def test_a_job_is_shown_by_its_name_and_by_its_id(answer: Answer, job, named_by: str):
    made = job("tidy", "--timezone", "America/New_York", "--payload", '{"days": 7}')

    shown = answer("job", "show", made[named_by])

    assert shown == made
    assert shown["words"] == "the 1st of the month in Jan at 00:00 America/New_York"
    assert shown["document"]["payload"] == {"days": 7}
    assert shown["next_run"].endswith("-01-01T05:00:00Z")
    assert (shown["status"], shown["source"], shown["kind"], shown["last_status"]) == (
        "active",
        "stored",
        "builtin",
        None,
    )


def test_what_looks_secret_in_a_job_is_masked_where_it_is_shown(qs: Qs, job):
    job("tidy", "--payload", '{"password": "hunter2"}')

    for mode in ([], ["--json"]):
        shown = qs("job", "show", "tidy", *mode)

        assert "********" in shown.stdout
        assert "hunter2" not in shown.stdout


def test_jobs_are_listed_by_name_and_filtered(answer: Answer, job):
    job("b")
    job("a", "--disabled")

    names = [each["name"] for each in answer("job", "list")["items"]]
    disabled = answer("job", "list", "--disabled")

    assert names == ["a", "b"]
    assert ([each["name"] for each in disabled["items"]], disabled["total"]) == (["a"], 1)
    assert answer("job", "list", "--kind", "http")["items"] == []
    assert answer("job", "list", "--page", "2") == {"items": [], "total": 2, "page": 2, "page_size": 100}


def test_tables_fit_80_columns_and_show_the_zone_of_every_time(
    qs: Qs, answer: Answer, job, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(output, "_WIDTH_OF_A_PIPE", 80)
    job("a-name-that-is-rather-long-for-a-job", "--timezone", "America/New_York")
    job("short", "--disabled")
    execution = answer("job", "run", "short")["id"]

    shown = {
        verb: qs(*verb.split()).stdout
        for verb in (
            "job list",
            "job show short",
            "job next a-name-that-is-rather-long-for-a-job",
            "job executions",
            "job executions short",
            "job preview duration 90s",
            "scheduler status",
        )
    }

    assert "" not in shown.values()
    assert {verb: line for verb, told in shown.items() for line in told.splitlines() if len(line) > 80} == {}
    assert "00:00 -05:00" in " ".join(shown["job list"].split())
    assert "disabled" in shown["job list"]
    assert "+08:00" in shown["job executions"]
    # An id can be copied, however narrow the terminal is.
    assert execution in shown["job executions"]
    assert execution in shown["job executions short"]


def test_a_job_is_switched_off_and_on(qs: Qs, answer: Answer, job):
    job()

    off = answer("job", "disable", "tidy")
    told = qs("job", "disable", "tidy").stderr
    listed = answer("job", "list")["items"][0]
    on = answer("job", "enable", "tidy")

    assert (off["enabled"], off["next_run"]) == (False, None)
    assert told == "tidy was disabled already\n"
    assert listed["enabled"] is False
    assert on["enabled"] is True
    assert on["next_run"] is not None


def test_a_removed_job_is_gone_and_its_executions_stay(qs: Qs, answer: Answer, job):
    made = job()
    answer("job", "run", "tidy")

    removed = answer("job", "remove", "tidy")

    assert removed == {"id": made["id"], "name": "tidy", "removed": True}
    assert qs("job", "show", "tidy").exit_code == 1
    assert [each["name"] for each in answer("job", "executions")["items"]] == ["tidy"]


def test_a_job_is_created_from_a_file_with_one_job(qs: Qs, answer: Answer, write: Write):
    file = write("name: hello\ntype: daily\nschedule: 02:00\ntarget: {builtin: hello_job}\n")

    made = answer("job", "create", "-f", file)
    piped = answer("job", "create", "-f", "-", stdin=file.read_text().replace("hello\n", "other\n", 1))
    several = qs("job", "create", "-f", write("- {name: a}\n- {name: b}\n"))

    assert (made["name"], made["words"]) == ("hello", "every day at 02:00 Asia/Shanghai")
    assert piped["name"] == "other"
    assert several.exit_code == 2
    assert "holds 2 jobs; `qs job apply -f` is for whole files" in several.stderr


def test_a_job_file_that_is_wrong_is_refused_by_line(qs: Qs, answer: Answer, write: Write):
    file = write("name: hello\ntype: cron\nschedule: '*/90 * * * *'\ntarget: {builtin: hallo}\ntimeot: 3s\n")

    unknown = qs("job", "create", "-f", file)
    file.write_text(file.read_text().replace("timeot: 3s\n", ""))
    wrong = qs("job", "create", "-f", file)

    assert (unknown.exit_code, wrong.exit_code) == (1, 1)
    assert f"{file}:5: timeot: '3s': is not a field here; did you mean timeout?" in unknown.stderr
    assert f"{file}:3: schedule: '*/90 * * * *'" in wrong.stderr
    assert f"{file}:4: target.builtin.name: 'hallo'" in wrong.stderr
    assert answer("job", "list")["total"] == 0


def test_the_next_slots_are_shown_by_the_clocks_of_the_job(answer: Answer, qs: Qs):
    made = answer("job", "create", "hello_job", "daily", "02:30", "--timezone", "Europe/Berlin", "--disabled")

    found = answer("job", "next", "hello_job", "-n", "3")
    told = qs("job", "next", "hello_job")

    assert [found["id"], found["words"]] == [made["id"], "every day at 02:30 Europe/Berlin"]
    assert len(found["occurrences"]) == 3
    assert {each["local"][11:16] for each in found["occurrences"]} == {"02:30"}
    assert told.stdout.startswith("every day at 02:30 Europe/Berlin")
    assert "hello_job is disabled, so the clock fires none of these" in told.stderr


def test_a_preview_says_what_clock_changes_do(qs: Qs, answer: Answer):
    verb = (
        "job",
        "preview",
        "daily",
        "02:30",
        "--timezone",
        "America/New_York",
        "--after",
        "2025-03-08T12:00",
    )

    found = answer(*verb, "-n", "2")
    told = qs(*verb, "-n", "2").stdout

    assert found == {
        "words": "every day at 02:30 America/New_York",
        "occurrences": [
            {
                "at": "2025-03-09T07:00:00Z",
                "local": "2025-03-09T03:00:00-04:00",
                "dst": "shifted",
                "marks": [{"code": "shifted"}],
            },
            {"at": "2025-03-10T06:30:00Z", "local": "2025-03-10T02:30:00-04:00", "dst": None, "marks": []},
        ],
        "warnings": [],
    }
    assert "2025-03-09 03:00 -04:00   2025-03-09 07:00 +00:00   shifted" in told


def test_words_follow_the_language_of_the_installation(answer: Answer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QS_LANG", "zh_CN")

    assert "每天" in answer("job", "preview", "daily", "02:30")["words"]


def test_a_backfill_is_looked_at_dry_and_then_run_slot_by_slot(qs: Qs, answer: Answer, rows: Rows):
    made = answer("job", "create", "hello_job", "cron", "0 * * * *", "--timezone", "Asia/Tokyo")
    day = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    verb = ("job", "backfill", "hello_job", "--from", f"{day}T09:00", "--to", f"{day}T12:00")

    dry = answer(*verb, "--dry-run")
    told = qs(*verb, "--dry-run").stderr
    nothing = rows("SELECT count(*) AS n FROM job_execution")[0]["n"]
    done = answer(*verb)

    slots = [f"{day}T0{hour}:00:00Z" for hour in range(3)]
    assert (dry["from"], dry["to"]) == (f"{day}T09:00:00+09:00", f"{day}T12:00:00+09:00")
    assert (dry["slots"], dry["execution_ids"], nothing) == (slots, [], 0)
    assert told == "3 slots would be run, one after the other\n"
    assert done["slots"] == slots
    assert len(done["execution_ids"]) == 3
    found = rows("SELECT fired_by, status, available_at FROM job_execution ORDER BY scheduled_at")
    assert [(each["fired_by"], each["available_at"] is None) for each in found] == [
        ("backfill", False),
        ("backfill", True),
        ("backfill", True),
    ]
    assert answer("job", "show", "hello_job")["next_run"] == made["next_run"]


def test_the_jobs_of_another_tenant_are_not_seen(qs: Qs, answer: Answer, job):
    job()
    answer("tenant", "create", "north")

    assert answer("job", "list", "--tenant", "north")["total"] == 0
    assert qs("job", "show", "tidy", "--tenant", "north").exit_code == 1


def test_who_wrote_what_is_audited(answer: Answer, job, rows: Rows):
    job()
    answer("job", "disable", "tidy")
    answer("job", "remove", "tidy")

    found = rows("SELECT action, actor FROM audit WHERE object_kind = 'job' ORDER BY id")

    assert [each["action"] for each in found] == ["job.create", "job.disable", "job.remove"]
    assert {each["actor"].partition(":")[0] for each in found} == {"cli"}


REFUSED = [
    ("show hallo", 1, "there is no job 'hallo'; did you mean 'hello'?"),
    ("show nonsense", 1, "there is no job 'nonsense'; `qs job list` shows those there are"),
    ("show 0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968", 1, "there is no"),
    ("enable nonsense", 1, "there is no job 'nonsense'"),
    ("remove nonsense", 1, "there is no job 'nonsense'"),
    ("next nonsense", 1, "there is no job 'nonsense'"),
    ("run nonsense", 1, "there is no job 'nonsense'"),
    ("run nonsense --wait", 1, "there is no job 'nonsense'"),
    ("run nonsense --local", 1, "there is no job 'nonsense'"),
    ("executions nonsense", 1, "there is no job 'nonsense'"),
    ("list --tenant nowhere", 1, "there is no tenant 'nowhere'"),
    ("list --status broken", 2, "--status"),
    ("executions --status over", 2, "--status"),
    ("executions -n 0", 2, "-n"),
    ("next hello -n 101", 2, "-n"),
    ('create hello cron @daily --target {"builtin":"hello_job"}', 1, "a job named 'hello' already"),
    ("create other cron @daily", 1, "'other' is no builtin of this installation"),
    ('create other cron @daily --target {"http":{"url":"x"}}', 1, "/target"),
    ("create other sometimes @daily", 1, "/type: must be one of cron"),
    ("create other cron", 2, "say NAME, TYPE and SCHEDULE"),
    ("create other cron @daily -f x.yaml", 2, "leave the other arguments out"),
    ("create -f x.yaml", 2, "x.yaml cannot be read: No such file"),
    ("create other cron @daily --target nonsense", 2, "--target is not JSON"),
    ("create other cron @daily --payload [1]", 2, "--payload must be a JSON object"),
    ("run hello --payload {", 2, "--payload is not JSON"),
    ("run hello --payload 7", 2, "--payload must be a JSON object"),
    ('run hello --payload {"a":"\\u0000"}', 2, "--payload/a must not contain NUL"),
    ('run hello --payload {"a":1,"a":2}', 2, "a key stands twice"),
    ("run hello --wait --local", 2, "--local runs it here and waits for it anyway; leave --wait out"),
    ("run hello --follow --local", 2, "leave --wait out"),
    ("logs nonsense", 2, "nonsense is no execution id; copy one from `qs job executions`"),
    ("logs 0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968", 1, "there is no such execution"),
    ("logs 0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968 -f", 1, "there is no such execution"),
    ("cancel 0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968", 1, "there is no such execution"),
    ("retry 0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968", 1, "there is no such execution"),
    ("preview sometimes 30s", 2, "TYPE"),
    ("preview cron */90", 1, "/schedule"),
    ("preview daily 25:00", 1, "/schedule"),
    ("preview daily 02:00 --timezone Mars/Olympus", 1, "Mars/Olympus"),
    ("preview daily 02:00 --after soon", 2, "--after soon is no instant"),
    ("preview daily 02:00 --dialect other", 1, "/dialect"),
    ("preview daily 02:00 --calendar none", 1, "/calendar"),
    ("backfill hello --from 2026-01-02 --to 2026-01-01", 2, "--to must be later than from"),
    ("backfill hello --from 2026-01-02 --to 2090-01-01", 2, "--to must not lie in the future"),
    ("backfill hello --from then --to 2026-01-01", 2, "--from then is no instant"),
    ("backfill hello --from 2026-01-01", 2, "--to"),
]


def test_what_cannot_be_done_is_said_on_stderr_with_the_right_exit_code(qs: Qs, job):
    job("hello")
    wrong = []
    for verb, code, said in REFUSED:
        done = qs("job", *verb.split())

        if (done.exit_code, done.stdout) != (code, "") or said not in " ".join(done.stderr.split()):
            wrong.append((verb, done.exit_code, done.stdout, done.stderr))

    assert wrong == []


def test_a_name_that_is_no_text_is_misuse(qs: Qs):
    done = qs("job", "show", "caf\udce9")

    assert (done.exit_code, done.stderr) == (2, "NAME is no UTF-8 text; write it anew\n")


def test_a_declared_job_is_switched_here_and_changed_where_it_is_declared(
    qs: Qs, answer: Answer, job, rows: Rows
):
    job()
    rows("UPDATE job SET source = 'declared', owner = 'settings'")

    off, removed = answer("job", "disable", "tidy"), qs("job", "remove", "tidy")

    assert off["enabled"] is False
    assert removed.exit_code == 1
    assert "declared in a file" in removed.stderr


def test_a_job_with_a_config_error_says_so_wherever_it_is_shown(qs: Qs, answer: Answer, job, rows: Rows):
    job()
    error = {"field": "schedule", "value": "x", "detail": "is no schedule"}
    rows(
        "UPDATE job SET status = 'config_error', next_slot = NULL, next_fire_at = NULL, error = $1::jsonb",
        json.dumps(error),
    )

    listed, shown, run = qs("job", "list"), qs("job", "show", "tidy"), qs("job", "run", "tidy")

    assert "config error" in listed.stdout
    assert "schedule: is no schedule" in shown.stdout
    assert answer("job", "list", "--status", "config_error")["items"][0]["error"] == error
    assert run.exit_code == 1
    assert "is no schedule" in run.stderr
