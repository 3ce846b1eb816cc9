import pytest

from qs.infra.scheduler.executors.command import CommandExecutor
from qs.infra.scheduler.executors.command_file import read_command_list
from qs.infra.scheduler.executors.secrets import SettingsSecrets
from tests.integration.executors.command.stage import USERS, Stage, Worker


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture(scope="module", params=USERS)
def worker(request, stage):
    worker = Worker(stage, request.param)
    yield worker
    worker.close()


@pytest.fixture
def write_list(tmp_path):
    """Writes an allow-list as its operator would."""

    def write(text: str):
        path = tmp_path / "commands.yaml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def make_executor(write_list, tmp_path):
    """An executor with a list of its own and two secrets."""

    def make(text: str) -> CommandExecutor:
        listed = read_command_list(write_list(text))
        secrets = SettingsSecrets({"password": "hunter22", "other": "0therSecret"}, {})
        return CommandExecutor(listed, secrets, work_root=tmp_path)

    return make
