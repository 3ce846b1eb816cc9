"""Each process looks for cycles of garbage by the clock, and not at what it has held since it started."""

import subprocess
import sys
from pathlib import Path

import pytest

from qs.settings import Settings
from tests.support.processes import clean_environment, ending, wait_until

# The third look while what was there is frozen: neither the one at the beginning nor the one that ends a process.
WATCHING = """
import gc, os, pathlib, sys
from qs import collecting

collecting.COLLECT_EVERY_S = 0.05
looks = 0

def looked(phase, info):
    global looks
    if phase == "stop" and info["generation"] == 2 and gc.get_freeze_count() > 10_000 and not sys.is_finalizing():
        looks += 1
        if looks == 3:
            pathlib.Path(os.environ["LOOKED"]).touch()

gc.callbacks.append(looked)
"""
API = WATCHING + "from qs.interface.cli.main import run\nrun()"
UVICORN = WATCHING + "import uvicorn\nuvicorn.run('qs.asgi:app', port=0)"
ROLE = WATCHING + "import workers.__main__ as w\nsys.exit(w.main(['relay']))"
ARQ = WATCHING + "from arq.cli import cli\ncli(['workers.cron.WorkerSettings'])"


@pytest.mark.parametrize(
    "words",
    [("-c", API, "api", "--port", "0"), ("-c", UVICORN), ("-c", ROLE), ("-c", ARQ)],
    ids=["api", "uvicorn", "worker", "arq"],
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

    command = [sys.executable, *words]
    with ending(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)) as process:
        wait_until(looked.exists, "looks for cycles")
        assert process.poll() is None
