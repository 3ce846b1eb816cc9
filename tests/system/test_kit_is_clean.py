"""What the kit installs is good in the eyes of the programs that read it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
KIT, UNITS = ROOT / "deploy" / "crontab", ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
DUTIES = {
    "plan-task-scheduler": ("hourly", "--before now /api/v1/plans/tasks/schedule"),
    "plan-task-expiry": ("*-*-* 03:30:00", "--before now /api/v1/plans/tasks/expire"),
    "statistics-sync-daily": ("*-*-* *:00:00", "/api/v1/statistics/sync/daily"),
    "statistics-sync-accumulated": ("*-*-* *:05:00", "/api/v1/statistics/sync/accumulated"),
    "statistics-sync-plan": ("*-*-* *:10:00", "/api/v1/statistics/sync/plan"),
    "retention": ("*-*-* 03:40:00", "/api/v1/retention"),
    "statistics-validate": ("*-*-* *:15:00", "/api/v1/statistics/validate"),
}


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_shellcheck_finds_nothing_in_any_script() -> None:
    found = run("shellcheck", "--external-sources", *map(str, sorted(KIT.glob("*.sh"))))

    assert (found.returncode, found.stdout) == (0, "")


def test_logrotate_understands_its_file_and_keeps_30_days(tmp_path: Path) -> None:
    file = tmp_path / "logrotate"
    logs = tmp_path / "log"
    logs.mkdir(mode=0o750)
    (logs / "validate.log").write_text("[2026-01-01 00:00:00] x\n")
    text = (KIT / "qs-scheduler.logrotate").read_text()
    file.write_text(text.replace("/var/log/qs-scheduler", str(logs)))
    file.chmod(0o644)

    found = run("logrotate", "--force", "--state", str(tmp_path / "state"), str(file))

    assert (found.returncode, found.stderr) == (0, "")
    assert {path.name for path in logs.iterdir()} == {"validate.log", "validate.log.1"}
    assert {"daily", "rotate 30", "compress"} <= {line.strip() for line in text.splitlines()}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root directory with systemd's own units, ours, and the programs that ours start."""
    own = Path(
        "/usr/lib/systemd/system" if Path("/usr/lib/systemd/system").is_dir() else "/lib/systemd/system"
    )
    for place in ("usr/lib/systemd/system", "lib/systemd/system"):
        shutil.copytree(own, tmp_path / place, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system", dirs_exist_ok=True)
    for program in ("opt/qs/bin/qs", "usr/local/bin/qs-api-call.sh"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    return tmp_path


def test_systemd_finds_nothing_in_any_unit(host: Path) -> None:
    units = sorted(path.name for path in UNITS.iterdir() if path.suffix in (".service", ".timer"))

    found = run("systemd-analyze", "verify", f"--root={host}", *units)

    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_systemd_finds_a_fault_when_there_is_one(host: Path) -> None:
    unit = host / "etc/systemd/system/qs-api.service"
    unit.write_text(unit.read_text().replace("Type=exec", "Type=nonsense"))

    assert "nonsense" in run("systemd-analyze", "verify", f"--root={host}", "qs-api.service").stderr


def test_services_are_little_exposed(host: Path) -> None:
    for service in SERVICES:
        found = run(
            *("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=25"),
            *(f"--root={host}", service),
        )
        assert found.returncode == 0, found.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", DUTIES)
def test_every_duty_has_a_timer_that_makes_up_for_what_was_missed(name: str) -> None:
    when, call = DUTIES[name]
    timer, service = ((UNITS / f"{name}.{kind}").read_text().splitlines() for kind in ("timer", "service"))

    assert {f"OnCalendar={when}", "Persistent=true", "WantedBy=timers.target"} <= set(timer)
    assert {"Type=oneshot", "After=network.target"} <= set(service)
    assert f"ExecStart=/usr/local/bin/qs-api-call.sh {call}" in service
    assert run("systemd-analyze", "calendar", when).returncode == 0


def test_no_unit_holds_what_only_a_shell_would_understand() -> None:
    for service in SERVICES:
        for line in re.findall(r"(?m)^Exec\w+=.*$", (UNITS / service).read_text()):
            assert not re.search(r"[%$`|&?]", line), line
