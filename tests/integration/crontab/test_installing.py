"""The installer and the uninstaller: twice as good as once, all or nothing; and what they install."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.integration.crontab.kit import KIT

PLACES = {
    "usr/local/bin/qs-api-call.sh": 0o755,
    "usr/local/bin/qs-refresh-token.sh": 0o755,
    "usr/local/lib/qs-scheduler/qs-scheduler-lib.sh": 0o644,
    "etc/cron.d/qs-scheduler": 0o644,
    "etc/logrotate.d/qs-scheduler": 0o644,
    "etc/qs-server/scheduler.env": 0o600,
}
LINES = {
    ("0 * * * *", "/api/v1/statistics/sync/daily", "sync-daily.log"),
    ("5 * * * *", "/api/v1/statistics/sync/accumulated", "sync-accumulated.log"),
    ("10 * * * *", "/api/v1/statistics/sync/plan", "sync-plan.log"),
    ("15 * * * *", "/api/v1/statistics/validate", "validate.log"),
    ("20 * * * *", "/api/v1/plans/tasks/schedule", "schedule-tasks.log"),
    ("30 3 * * *", "/api/v1/plans/tasks/expire", "expire-tasks.log"),
    ("40 3 * * *", "/api/v1/retention", "retention.log"),
}


def run(script: str, root: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "DESTDIR": str(root)}
    command = ["bash", str(KIT / script), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


def state(root: Path) -> dict[str, tuple[int, bytes | None]]:
    """Every file and directory with its mode and content."""
    return {
        str(path.relative_to(root)): (
            stat.S_IMODE(path.stat().st_mode),
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root with blanks"
    root.mkdir()
    return root


def test_everything_is_in_its_place_with_its_mode(root: Path) -> None:
    assert run("install.sh", root).returncode == 0

    found = state(root)
    assert {name: mode for name, (mode, content) in found.items() if content is not None} == PLACES
    assert found["etc/qs-server"][0] == 0o700
    assert found["var/log/qs-scheduler"][0] == 0o750


def test_the_second_time_nothing_changes(root: Path) -> None:
    run("install.sh", root)
    before = state(root)
    numbers = {path: path.stat().st_ino for path in root.rglob("*")}

    again = run("install.sh", root)

    assert again.returncode == 0
    assert (state(root), {path: path.stat().st_ino for path in root.rglob("*")}) == (before, numbers)
    assert {line.split()[0] for line in again.stdout.splitlines()} == {"unchanged", "kept"}


def test_settings_and_token_that_are_there_are_kept_and_the_rest_is_renewed(root: Path) -> None:
    run("install.sh", root)
    settings, token = root / "etc/qs-server/scheduler.env", root / "etc/qs-server/internal-token"
    settings.write_text("API_BASE_URL='https://qs.example.org'\n")
    token.write_text("a.b.c\n")
    script = root / "usr/local/bin/qs-api-call.sh"
    script.write_text("old")
    (root / "etc/cron.d/qs-scheduler").chmod(0o666)

    assert run("install.sh", root).returncode == 0

    assert (settings.read_text(), token.read_text()) == ("API_BASE_URL='https://qs.example.org'\n", "a.b.c\n")
    assert script.read_bytes() == (KIT / "qs-api-call.sh").read_bytes()
    assert stat.S_IMODE((root / "etc/cron.d/qs-scheduler").stat().st_mode) == 0o644


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_a_dry_run_says_everything_and_does_nothing(root: Path, script: str) -> None:
    if script == "uninstall.sh":
        run("install.sh", root)
    before = state(root)

    told = run(script, root, "--dry-run")

    assert told.returncode == 0
    assert state(root) == before
    assert {name for name in PLACES if name in told.stdout} >= set(PLACES) - {"etc/qs-server/scheduler.env"}


def test_an_installation_that_fails_at_the_end_leaves_what_was_there(root: Path) -> None:
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/qs-api-call.sh").write_text("theirs")
    (root / "etc").mkdir()
    (root / "etc/cron.d").write_text("no directory, so that the last step cannot be done")
    before = state(root)

    failed = run("install.sh", root)

    assert failed.returncode == 1
    assert state(root) == before
    assert "as it was" in failed.stderr


def test_uninstalling_leaves_settings_and_logs_and_purging_leaves_nothing(root: Path) -> None:
    run("install.sh", root)
    (root / "var/log/qs-scheduler/validate.log.1.gz").write_text("x")
    (root / "etc/qs-server/internal-token").write_text("a.b.c\n")

    first, second = run("uninstall.sh", root), run("uninstall.sh", root)

    assert (first.returncode, second.returncode) == (0, 0)
    files = {name for name, (_, content) in state(root).items() if content is not None}
    assert files == {
        "etc/qs-server/scheduler.env",
        "etc/qs-server/internal-token",
        "var/log/qs-scheduler/validate.log.1.gz",
    }
    assert run("uninstall.sh", root, "--purge").returncode == 0
    assert not any("qs-" in name for name in state(root))


def test_an_uninstallation_that_fails_leaves_everything(root: Path) -> None:
    run("install.sh", root)
    library = root / "usr/local/lib/qs-scheduler/qs-scheduler-lib.sh"
    library.unlink()
    library.mkdir()
    before = state(root)

    failed = run("uninstall.sh", root)

    assert failed.returncode == 1
    assert state(root) == before


def test_without_cron_its_directory_is_left_alone(root: Path) -> None:
    assert run("install.sh", root, "--no-cron").returncode == 0
    assert not (root / "etc/cron.d").exists()


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_misuse_exits_with_2(root: Path, script: str) -> None:
    assert run(script, root, "--nonsense").returncode == 2


def test_the_scripts_find_each_other_where_they_are_installed(root: Path) -> None:
    run("install.sh", root)
    script = str(root / "usr/local/bin/qs-api-call.sh")

    helped = subprocess.run(["bash", script, "--help"], capture_output=True, text=True, check=True)

    assert "ENDPOINT" in helped.stdout
    assert "set -" not in helped.stdout


def test_the_cron_file_calls_the_duties_of_the_contract_and_explains_each() -> None:
    text = (KIT / "qs-scheduler.cron").read_text().splitlines()
    found = set()
    for number, line in enumerate(text):
        if line.startswith(("#", "SHELL=", "PATH=", "MAILTO=")) or not line:
            continue
        match = re.fullmatch(
            r"(\S+ \S+ \S+ \S+ \S+) root /usr/local/bin/qs-api-call\.sh (\S+) /var/log/qs-scheduler/(\S+)",
            line,
        )
        assert match, line
        found.add(match.groups())
        assert text[number - 1].startswith("# ")
    assert found == LINES


def test_the_sample_of_settings_is_read_without_a_complaint(kit) -> None:
    kit.settings_file.write_bytes((KIT / "scheduler.env.example").read_bytes().replace(b"# ", b"#"))
    commented = re.sub(r"(?m)^#([A-Z_]+=)", r"\1", kit.settings_file.read_text())
    kit.settings_file.write_text(commented)
    kit.settings_file.chmod(0o600)

    call = kit.refresh()

    assert call.code == 2
    assert "no credentials" in call.out
    assert "settings:" not in call.out
