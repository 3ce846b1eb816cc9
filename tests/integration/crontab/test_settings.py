"""Settings: from the environment, from a file that is read and never run."""

import pytest

from tests.integration.crontab.kit import SWEEP, Kit, StubServer, a_token


@pytest.fixture
def kit(kit: Kit, stub: StubServer) -> Kit:
    kit.put_token(a_token())
    kit.settings["API_BASE_URL"] = stub.url
    return kit


@pytest.mark.parametrize("ending", ["/", "/api/v1", "/api/v1/", "//"])
def test_the_base_may_end_as_people_have_it(kit: Kit, stub: StubServer, ending: str) -> None:
    kit.settings["API_BASE_URL"] += ending

    assert kit.call().code == 0
    assert stub.paths() == [SWEEP]


def test_nothing_in_the_file_is_executed(kit: Kit, stub: StubServer) -> None:
    trap = kit.directory / "executed"
    kit.write_settings(IAM_PASSWORD=f"$(touch {trap})`touch {trap}`; touch {trap}")
    with kit.settings_file.open("a") as file:
        file.write(
            f'export CLIENT_ID="$(touch {trap})"\r\n# a remark\n\nCLIENT_SECRET=plain # why\nPATH=/nowhere\n'
        )

    assert kit.call().code == 0

    assert not trap.exists()
    assert "sets PATH, which is no setting; ignored" in kit.log


def test_the_environment_is_stronger_than_the_file(kit: Kit, stub: StubServer) -> None:
    kit.write_settings(API_BASE_URL="http://127.0.0.1:1")

    assert kit.call(API_BASE_URL=stub.url).code == 0


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_can_read_or_write_is_refused(kit: Kit, stub: StubServer, mode: int) -> None:
    kit.write_settings()
    kit.settings_file.chmod(mode)

    call = kit.call()

    assert (call.code, stub.seen) == (2, [])
    assert "chmod 600" in kit.log
    assert "the settings are wrong" in call.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("IAM_PASSWORD='hunter2", "ends within a quote"),
        ("IAM_PASSWORD=hunter2 hunter3", "not quoted"),
        ("hunter2", "is not KEY='value'"),
        ("hunter 2=x", "is not KEY='value'"),
        ("TIMEOUT=hunter2", "TIMEOUT is no whole number"),
        ("TIMEOUT=0", "TIMEOUT must be 1 or more"),
        ("API_BASE_URL=ftp://hunter2", "API_BASE_URL is no http"),
        ("IAM_LOGIN_URL=http://me:hunter2@127.0.0.1/", "IAM_LOGIN_URL is no http"),
        ("TOKEN_FORMAT=hunter2", "TOKEN_FORMAT is neither"),
        ("CLIENT_AUTH=hunter2", "CLIENT_AUTH is neither"),
    ],
)
def test_a_bad_line_is_named_and_not_shown(kit: Kit, stub: StubServer, line: str, said: str) -> None:
    name = line.partition("=")[0]
    kit.settings.pop(name, None)
    kit.write_settings()
    with kit.settings_file.open("a") as file:
        file.write(line + "\n")

    assert (kit.call().code, stub.seen) == (2, [])

    assert said in kit.log
    assert "hunter2" not in kit.log


def test_a_file_that_was_named_and_is_not_there_is_refused(kit: Kit, stub: StubServer) -> None:
    assert kit.call(SCHEDULER_ENV_FILE=str(kit.directory / "absent")).code == 2
    assert "does not exist" in kit.log
