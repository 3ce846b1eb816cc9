"""Each process looks for cycles of garbage by the clock, and not at what it has held since it started."""

import subprocess
import sys
from pathlib import Path

import pytest

from qs.settings import Settings
from tests.support.processes import clean_environment, ending, wait_until

# What is frozen is counted when a look ends, so that the file is there only once both have happened.
WATCHING = """
import gc, os, pathlib, sys
from qs import collecting

def looked(phase, info):
    if phase == "stop" and info["generation"] == 2 and gc.get_freeze_count() > 10_000:
        pathlib.Path(os.environ["LOOKED"]).write_text(str(os.getpid()))

gc.callbacks.append(looked)
"""
API = WATCHING + "collecting.COLLECT_EVERY_S = 0.05\nfrom qs.interface.cli.main import run\nrun()"
ROLE = WATCHING + "import workers.__main__ as w\nsys.exit(w.main(['relay']))"
ARQ = WATCHING + "from arq.cli import cli\ncli(['workers.cron.WorkerSettings'])"


@pytest.mark.parametrize(
    "words", [("-c", API, "api", "--port", "0"), ("-c", ROLE), ("-c", ARQ)], ids=["api", "worker", "arq"]
)
def test_a_process_that_has_nothing_to_do_looks_for_garbage(
    settings: Settings, tmp_path: Path, words: tuple[str, ...]
) -> None:
    looked = tmp_path / "looked"
    environment = clean_environment(
        QS_ENV="test",
        QS_HOME=str(tmp_path),
        QS_SECRET_KEY=str(settings.secret_key),
        QS_DATABASE_URL=str(settings.database.url),
        QS_REDIS_URL=str(settings.redis.url),
        LOOKED=str(looked),
    )

    with ending(subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.DEVNULL)):
        wait_until(looked.exists, "a look for cycles")
