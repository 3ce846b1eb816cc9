"""The main job from nothing to the last expiry, as `make demo` runs it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.support.processes import wait_until

EXPECTED = {
    "tasks": 500,
    "opened": 500,
    "completed": 380,
    "expired": 120,
    "retention": [100, 97, 73, 58, 52],
    "followup": {"n": 280, "d": 400, "rate": 0.7},
    "events": {"task_opened": 500, "task_completed": 380, "task_expired": 120},
    "unacknowledged": 0,
}


@pytest.mark.timeout(240)
def test_the_demonstration_reaches_the_published_figures_and_leaves_nothing_behind() -> None:
    with tempfile.TemporaryDirectory(prefix="qs-d-") as scratch:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QS_")} | {
            "TMPDIR": scratch,
            "HOME": scratch,
        }

        done = subprocess.run(
            [sys.executable, "-m", "qs", "demo", "--json", "--plot", "curves/retention.svg"],
            capture_output=True,
            text=True,
            env=environment,
            cwd=scratch,
            timeout=200,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert {key: found[key] for key in EXPECTED} == EXPECTED
        assert found["deliveries"]["sent"] >= 620
        assert found["statistics"]["differences"] == 0
        assert found["statistics"]["survival"] == [0.97, 0.73, 0.58, 0.52]
        assert found["statistics"]["synced"].keys() == {"daily", "accumulated", "plan"}
        assert min(found["statistics"]["synced"].values()) > 0
        assert done.stderr.splitlines()[-1] == "the retention curve is in curves/retention.svg"
        drawn = Path(scratch, "curves", "retention.svg").read_text(encoding="utf-8")
        assert "Retention: Follow-up at 2, 3, 5 and 8 months" in drawn
        wait_until(lambda: not _processes_of(scratch), "everything it started has ended")
        assert [name for name in os.listdir(scratch) if name.startswith("qs-demo-")] == []


def _processes_of(scratch: str) -> list[list[str]]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if any(scratch in argument for argument in arguments):
            found.append(arguments)
    return found
