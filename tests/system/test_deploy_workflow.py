"""The steps of the deployment, as the workflow has them, run here against an SSH server of the test's own."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.crontab.kit import StubServer, a_token
from tests.support.processes import ending, wait_until
from tests.support.receivers import HeldPort
from tests.system.deploying import ADDRESS, PASSWORD, SSHD, Host, Runner, a_key, listens, steps_with_a_script

pytestmark = pytest.mark.system

SYNC = "/api/v1/statistics/sync/daily"
LOGIN = "/api/v1/auth/login"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    if not SSHD.exists():
        pytest.skip("this needs openssh-server")
    # Where the server goes when it has no rights left; what was not there is taken away again.
    separation = Path("/run/sshd")
    made = os.geteuid() == 0 and not separation.exists()
    if made:
        separation.mkdir(mode=0o755)
    # Nobody else is given the port meanwhile.
    port = HeldPort(ADDRESS)
    host = Host(tmp_path, port.number)
    log = tmp_path / "sshd.log"
    command = [str(SSHD), "-D", "-f", str(tmp_path / "sshd_config"), "-E", str(log)]
    try:
        with ending(subprocess.Popen(command, stdin=subprocess.DEVNULL)) as process:
            wait_until(lambda: process.poll() is not None or listens(host.port), "the SSH server listens")
            assert process.poll() is None, log.read_text()
            yield host
            process.terminate()
            process.wait(60)
    finally:
        port.release()
        if made:
            separation.rmdir()


@pytest.fixture
def api() -> Iterator[StubServer]:
    server = StubServer()
    token = a_token()
    server.answer = lambda path, _: (200, {"token": token} if path == LOGIN else {"data": {"status": "done"}})
    yield server
    server.close()


@pytest.fixture
def runner(tmp_path: Path, host: Host) -> Runner:
    return Runner(tmp_path / "runner temp", host.root)


def test_a_deployment_installs_the_kit_and_proves_that_it_works(
    runner: Runner, host: Host, api: StubServer
) -> None:
    run = runner.run(host.secrets(api.url))

    assert run.code == 0, run.log
    assert list(run.said) == ["Validate", "Package", "Deploy", "Verify"]
    assert "it works" in run.said["Verify"]
    assert api.paths() == [LOGIN, SYNC]
    assert '\\"quoted\\" & ' in api.seen[0].body.decode()
    assert "密码" in api.seen[0].body.decode()
    modes = {name: mode for name, (mode, _) in host.files().items()}
    assert modes["etc/cron.d/qs-scheduler"] == 0o644
    assert modes["etc/qs-server/scheduler.env"] == 0o600
    assert modes["etc/qs-server/internal-token"] == 0o600
    assert modes["usr/local/bin/qs-api-call.sh"] == 0o755


def test_no_secret_is_printed_or_stands_in_an_argument_list_or_stays_behind(
    runner: Runner, host: Host, api: StubServer
) -> None:
    secrets = host.secrets(api.url)

    run = runner.run(secrets)

    assert run.code == 0, run.log
    assert "ssh -F" in run.arguments
    in_key = secrets["SVRA_SSH_KEY"].splitlines()[1]
    for secret in (secrets["IAM_USERNAME"], PASSWORD, "密码", in_key, ADDRESS):
        assert secret not in run.arguments
        assert secret not in run.log
    assert [
        path.name for path in runner.temp.iterdir() if not path.name.startswith("qs-crontab.tar.gz")
    ] == []
    assert list(host.scratch.iterdir()) == []


def test_a_dry_run_goes_there_and_changes_nothing(runner: Runner, host: Host, api: StubServer) -> None:
    run = runner.run(host.secrets(api.url), dry_run=True, validate=False)

    assert run.code == 0, run.log
    assert host.files() == {}
    assert api.paths() == []
    assert "Verify" not in run.said
    assert f"create     {host.root}/etc/cron.d/qs-scheduler" in run.said["Deploy"]
    assert "would set  API_BASE_URL IAM_USERNAME IAM_PASSWORD" in run.said["Deploy"]


def test_a_second_deployment_changes_nothing_but_what_differs(
    runner: Runner, host: Host, api: StubServer
) -> None:
    secrets = host.secrets(api.url)
    runner.run(secrets, validate=False)
    host.settings.write_text("# by hand\nTIMEOUT='60'\nCLIENT_ID='old'\n" + host.settings.read_text())
    assert runner.run(secrets, validate=False).code == 0
    before = host.files()

    same = runner.run(secrets, validate=False)

    assert same.code == 0, same.log
    after = host.files()
    token = "etc/qs-server/internal-token"
    assert {name for name in before if before[name] != after[name]} <= {token}
    assert "unchanged  API_BASE_URL IAM_USERNAME IAM_PASSWORD" in same.said["Deploy"]

    changed = runner.run({**secrets, "IAM_PASSWORD": "another"}, validate=False)

    assert changed.code == 0, changed.log
    text = host.settings.read_text()
    assert text.startswith("# by hand\nTIMEOUT='60'\n")
    assert re.findall(r"(?m)^(?:IAM_PASSWORD|CLIENT_ID)=.*$", text) == ["IAM_PASSWORD='another'"]
    assert '"password":"another"' in api.seen[-2].body.decode()


def test_a_client_of_the_workflow_takes_the_place_of_one_on_the_host(
    runner: Runner, host: Host, api: StubServer
) -> None:
    token = a_token()
    api.answer = lambda path, _: (200, {"access_token": token} if path == "/oauth2/token" else {})
    host.settings.parent.mkdir(parents=True, mode=0o700)
    host.settings.write_text("export CLIENT_ID='old'\nCLIENT_SECRET='old'\n# kept\n")
    host.settings.chmod(0o600)
    client = {"IAM_USERNAME": "", "IAM_PASSWORD": "", "CLIENT_ID": "qsc_new", "CLIENT_SECRET": "it's new"}

    run = runner.run({**host.secrets(api.url), **client}, validate=False)

    assert run.code == 0, run.log
    assert api.paths() == ["/oauth2/token", SYNC]
    assert host.settings.read_text() == (
        f"# kept\nAPI_BASE_URL='{api.url}'\nCLIENT_ID='qsc_new'\nCLIENT_SECRET='it'\\''s new'\n"
    )


def test_another_host_key_than_the_pinned_one_gets_nothing(
    runner: Runner, host: Host, api: StubServer
) -> None:
    other = a_key(host.directory / "another_key").with_suffix(".pub").read_text()

    run = runner.run({**host.secrets(api.url), "SVRA_HOST_KEY": other}, validate=False)

    assert run.code == 1
    assert "SVRA_HOST_KEY" in run.said["Deploy"]
    assert host.files() == {}


def test_lines_of_ssh_keyscan_are_a_host_key_and_without_one_there_is_a_warning(
    runner: Runner, host: Host, api: StubServer
) -> None:
    secrets = host.secrets(api.url)
    scanned = f"# {ADDRESS}:{host.port} SSH-2.0\r\n[{ADDRESS}]:{host.port} {secrets['SVRA_HOST_KEY']}"

    pinned = runner.run({**secrets, "SVRA_HOST_KEY": scanned}, dry_run=True, validate=False)
    believed = runner.run({**secrets, "SVRA_HOST_KEY": ""}, dry_run=True, validate=False)

    assert (pinned.code, believed.code) == (0, 0), pinned.log + believed.log
    assert "::warning::" not in pinned.log
    assert "::warning::SVRA_HOST_KEY is not set" in believed.log


def test_a_key_that_lost_its_last_line_break_or_came_from_windows_is_good(
    runner: Runner, host: Host, api: StubServer
) -> None:
    secrets = host.secrets(api.url)
    for key in (secrets["SVRA_SSH_KEY"].rstrip("\n"), secrets["SVRA_SSH_KEY"].replace("\n", "\r\n")):
        assert runner.run({**secrets, "SVRA_SSH_KEY": key}, dry_run=True, validate=False).code == 0


@pytest.mark.parametrize(
    "name", ["SVRA_HOST", "SVRA_USERNAME", "SVRA_SSH_KEY", "IAM_USERNAME", "IAM_PASSWORD"]
)
def test_a_secret_that_is_not_set_is_named_before_anything_happens(
    runner: Runner, host: Host, api: StubServer, name: str
) -> None:
    run = runner.run({**host.secrets(api.url), name: ""}, validate=False)

    assert run.code == 2
    assert re.search(rf"not set.*\b{name}\b", run.said["Deploy"])
    assert host.files() == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SVRA_HOST", "127.0.0.1\nProxyCommand touch stolen"),
        ("SVRA_HOST", "-oProxyCommand=x"),
        ("SVRA_USERNAME", "root -v"),
        ("SVRA_PORT", "22\nProxyCommand x"),
        ("SVRA_SSH_KEY", "no key"),
        ("SVRA_HOST_KEY", "host key"),
        ("IAM_PASSWORD", "two\nlines"),
    ],
)
def test_a_secret_that_cannot_be_one_is_refused_and_not_shown(
    runner: Runner, host: Host, api: StubServer, name: str, value: str
) -> None:
    run = runner.run({**host.secrets(api.url), name: value}, validate=False)

    assert run.code == 2
    assert name in run.said["Deploy"]
    assert value not in run.log
    assert host.files() == {}


def test_credentials_that_are_refused_fail_the_verification(
    runner: Runner, host: Host, api: StubServer
) -> None:
    api.answer = lambda path, _: (401, {"status": 401})

    run = runner.run(host.secrets(api.url), validate=False)

    assert run.code == 1
    assert list(run.said)[-1] == "Verify"
    assert "refuses the credentials" in run.said["Verify"]


def test_an_installation_that_was_changed_on_the_host_fails_the_verification(
    runner: Runner, host: Host, api: StubServer
) -> None:
    secrets = host.secrets(api.url)
    assert runner.run(secrets, validate=False).code == 0
    with (host.root / "etc/cron.d/qs-scheduler").open("a") as lines:
        lines.write("* * * * * root true\n")

    verify = next(step for step in steps_with_a_script() if step["name"] == "Verify")
    finished = runner.step(verify, secrets, dry_run=False)

    assert finished.returncode == 1
    assert "NOT OK     /etc/cron.d/qs-scheduler" in finished.stdout


def test_a_deployment_that_fails_half_way_leaves_the_host_as_it_was(
    runner: Runner, host: Host, api: StubServer
) -> None:
    (host.root / "etc").mkdir()
    (host.root / "etc/cron.d").write_text("no directory, so that the last step cannot be done")
    before = host.files()

    run = runner.run(host.secrets(api.url), validate=False)

    assert run.code == 1
    assert host.files() == before
