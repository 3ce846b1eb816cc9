"""What the deployment of the crontab kit checks and packs before it goes anywhere."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("61 25 * * root true", "line 1"),
        ("0 * * * * root /usr/local/bin/qs-api-call.sh /api/v1/x /var/log/elsewhere.log", "line 1"),
        (
            "0 * * * * root /usr/local/bin/qs-api-call.sh /api/v1/x$(date +%F) /var/log/qs-scheduler/x.log",
            "line 1",
        ),
        ("# nothing", "calls nothing"),
    ],
)
def test_a_crontab_that_cron_would_misread_does_not_get_past_validation(
    tmp_path: Path, line: str, complaint: str
) -> None:
    file = tmp_path / "crontab"
    file.write_text(line + "\n")

    found = subprocess.run(
        ["bash", "deploy/crontab/ci/validate.sh", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 1
    assert complaint in found.stderr


def test_the_package_is_the_same_bytes_for_the_same_files_and_holds_no_settings(tmp_path: Path) -> None:
    kit = tmp_path / "copy" / "crontab"
    shutil.copytree(ROOT / "deploy" / "crontab", kit)
    (kit / "scheduler.env").write_text("IAM_PASSWORD='x'\n")

    packages: list[bytes] = []
    for directory in (ROOT / "deploy" / "crontab", kit):
        archive = tmp_path / f"{len(packages)}.tar.gz"
        command = ["bash", str(directory / "ci/package.sh"), str(archive)]
        listed = subprocess.run(command, check=True, capture_output=True, text=True)
        packages.append(archive.read_bytes())
        assert {"install.sh", "changes.sh", "qs-scheduler.cron"} <= set(listed.stdout.splitlines())
        assert "scheduler.env" not in listed.stdout.splitlines()

    assert packages[0] == packages[1]
