import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qs.infra.embedded import discard, ensure, stop
from qs.infra.embedded.layout import Control
from tests.integration.embedded.machine import processes_with, scratch, wait_until


@contextmanager
def _open_ground() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="qs-test-", dir=scratch()))
    directory.chmod(0o755)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("QS_EMBEDDED_DIR", str(directory / "base"))
        environment.setenv("QS_EMBEDDED_LINGER", "0.2")
        environment.setenv("TMPDIR", str(directory))
        try:
            yield directory
            wait_until(lambda: not processes_with(str(directory)))
        finally:
            shutil.rmtree(directory)


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory everybody can enter, in which all is that a test makes; at its end nothing runs there any more."""
    with _open_ground() as directory:
        yield directory


@pytest.fixture
def new_home(ground: Path) -> Iterator[Path]:
    """A home that does not exist yet; its servers are stopped and their data deleted at the end."""
    path = ground / "home"
    yield path
    discard(path)


@pytest.fixture
def home(new_home: Path, data: Path) -> Path:
    """A home with an empty database, of which initdb would have taken most of a test's time."""
    Control(new_home).create()
    subprocess.run(["cp", "-a", data, new_home / "embedded" / "postgres"], check=True)
    return new_home


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    """The data directory of a new home."""
    with _open_ground() as directory:
        ensure(directory / "home", ephemeral=True).close()
        stop(directory / "home")
        yield directory / "home" / "embedded" / "postgres"
