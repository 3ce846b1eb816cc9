"""`qs scheduler`: timed firing is stopped and started, looked at, and told to read what declares jobs."""

from .conftest import Answer, Qs, Rows, Write


def test_everybodys_clock_and_that_of_one_tenant_are_stopped_and_started(qs: Qs, answer: Answer, rows: Rows):
    answer("tenant", "create", "north")

    stopped = answer("scheduler", "stop", "--tenant", "north")
    others, own = answer("scheduler", "status"), answer("scheduler", "status", "--tenant", "north")
    everybodys = answer("scheduler", "stop")
    again = qs("scheduler", "stop")
    all_stopped = answer("scheduler", "status")
    still = qs("scheduler", "start", "--tenant", "north")
    started = answer("scheduler", "start")

    assert stopped == {"firing": False, "stopped": "tenant", "changed": True, "tenant": "north"}
    assert (others["firing"], own["firing"], own["stopped"]) == (True, False, "tenant")
    assert everybodys == {"firing": False, "stopped": "installation", "changed": True, "tenant": None}
    assert (again.exit_code, again.stderr) == (0, "it was stopped already\n")
    assert all_stopped["stopped"] == "installation"
    assert "everybody's clock is stopped, so this one does not fire yet" in still.stderr
    assert started == {"firing": True, "stopped": None, "changed": True, "tenant": None}
    assert answer("scheduler", "status", "--tenant", "north")["firing"] is True
    found = rows("SELECT action FROM audit WHERE action LIKE 'scheduler.%' ORDER BY id")
    assert [each["action"].partition(".")[2] for each in found] == ["stop", "stop", "start", "start"]


def test_the_status_tells_of_jobs_executions_and_workers(qs: Qs, answer: Answer, job, rows: Rows):
    job("a")
    job("b", "--disabled")
    answer("job", "run", "a")
    rows("INSERT INTO worker_heartbeat (worker, role, host) VALUES ('ticker@h:1:abc', 'ticker', 'h')")

    found, told = answer("scheduler", "status"), qs("scheduler", "status")

    assert (found["jobs"]["total"], found["jobs"]["enabled"]) == (2, 1)
    assert found["executions"] == {"waiting": 1, "running": 0, "retrying": 0}
    assert found["lag_s"] > 0
    assert found["nodes"] == {"alive": 1, "draining": 0, "held": 0}
    assert [(each["role"], each["host"], each["alive"]) for each in found["roles"]] == [("ticker", "h", True)]
    assert "1 waiting, 0 running, 0 retrying" in told.stdout
    assert told.stderr.splitlines() == [
        "no worker of the role executions is alive, so nothing that was fired is run; "
        "`qs worker --roles executions` starts one"
    ]


def test_a_sync_reads_every_source_at_once(qs: Qs, answer: Answer, write: Write, rows: Rows, monkeypatch):
    file = write(
        "- {name: filed, type: duration, schedule: 30s, target: {builtin: hello_job}}\n", "declared.yaml"
    )
    monkeypatch.setenv("QS_SCHEDULER__JOBS_FILE", str(file))
    rows("INSERT INTO sys_crontab (name, type, spec) VALUES ('tabled', 'hello_job', '@daily')")

    found = answer("scheduler", "sync")
    told = qs("scheduler", "sync")

    sources = {each["owner"]: each for each in found["sources"]}
    assert [(each["name"], each["action"]) for each in sources["jobs_file"]["jobs"]] == [("filed", "created")]
    assert [(each["name"], each["action"]) for each in sources["sys_crontab"]["jobs"]] == [
        ("tabled", "created")
    ]
    assert {each["name"] for each in answer("job", "list", "--source", "declared")["items"]} == {"filed"}
    assert (told.exit_code, told.stderr) == (0, "")
    assert "table sys_crontab" in told.stdout


def test_what_cannot_be_used_is_said_by_a_sync_and_the_rest_is_done(
    qs: Qs, answer: Answer, write: Write, rows: Rows, monkeypatch
):
    file = write("- {name: filed, type: cron, schedule: 30s}\n  x: y\n", "declared.yaml")
    monkeypatch.setenv("QS_SCHEDULER__JOBS_FILE", str(file))
    rows(
        "INSERT INTO sys_crontab (name, type, spec) VALUES ('wrong', 'hello_job', '61 * * * *'),"
        " ('right', 'hello_job', '@daily')"
    )

    done = qs("scheduler", "sync")

    assert done.exit_code == 1
    assert "jobs file could not be read, so its jobs stay as they were" in done.stderr
    assert f"{file}:" in done.stderr
    assert "table sys_crontab: wrong: schedule: " in done.stderr
    statuses = {each["name"]: each["status"] for each in answer("job", "list")["items"]}
    assert statuses == {"wrong": "config_error", "right": "active"}


def test_a_tenant_that_is_not_there_has_no_clock(qs: Qs):
    for verb in ("start", "stop", "status"):
        done = qs("scheduler", verb, "--tenant", "nowhere")

        assert (done.exit_code, done.stdout) == (1, "")
        assert "there is no tenant 'nowhere'" in done.stderr
