"""The files by which the clients and the keeper of one home find each other."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from qs.infra.embedded.errors import DirectoryRefused

# PostgreSQL keeps every path in 1,024 bytes and puts up to 60 of its own behind the data directory.
_LONGEST_HOME = 900


@dataclass(frozen=True, slots=True)
class Control:
    """The control files of a home, all in ``<home>/embedded``."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> Self:
        """The control files of a home; links and ``~`` are resolved, so that two names of one home are one."""
        return cls(home.expanduser().resolve())

    @property
    def directory(self) -> Path:
        return self.home / "embedded"

    @property
    def lease(self) -> Path:
        """Held shared by every client; the keeper stops the servers once it can have it alone."""
        return self.directory / "lease"

    @property
    def starting(self) -> Path:
        """Held for the moment in which somebody looks for a keeper and starts one if there is none."""
        return self.directory / "starting"

    @property
    def keeper(self) -> Path:
        """Held by the keeper for as long as it lives."""
        return self.directory / "keeper"

    @property
    def stop_request(self) -> Path:
        """Its presence asks the keeper to stop: no number of a process is involved, so none can be wrong."""
        return self.directory / "stop"

    @property
    def state(self) -> Path:
        return self.directory / "state.json"

    @property
    def place(self) -> Path:
        return self.directory / "place.json"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    def log(self, name: str) -> Path:
        """The log file of ``keeper``, ``postgres`` or ``redis``."""
        return self.logs / f"{name}.log"

    def exists(self) -> bool:
        """Whether there are control files; raises ``DirectoryRefused`` when they are somebody else's."""
        try:
            check_owner(self.directory, {os.geteuid()})
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _unusable(self.home, error) from error
        return True

    def create(self) -> None:
        """The directories exist and only this user can write to them; else raises ``DirectoryRefused``.

        ``FileNotFoundError`` means that another process discarded the home meanwhile.
        """
        _check_name(self.home)
        root = os.geteuid() == 0
        try:
            # Under root the servers run as somebody else, who must be able to pass through.
            self.home.mkdir(mode=0o755 if root else 0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.home, error) from error
        check_owner(self.home, {os.geteuid(), 0})
        try:
            own_directory(self.directory, os.geteuid(), mode=0o711 if root else 0o700)
            own_directory(self.logs, os.geteuid(), mode=0o700)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unusable(self.home, error) from error


def own_directory(path: Path, uid: int, *, mode: int, gid: int = -1) -> None:
    """``path`` is a real directory of ``uid`` with this mode; somebody else's is refused and left alone."""
    path.mkdir(mode=0o700, exist_ok=True)
    check_owner(path, {uid, os.geteuid()})
    if path.lstat().st_uid != uid:
        os.chown(path, uid, gid, follow_symlinks=False)
    if stat.S_IMODE(path.lstat().st_mode) != mode:
        path.chmod(mode)


def check_owner(path: Path, allowed: set[int]) -> None:
    """Refuses a link, and a directory that belongs to none of the users in ``allowed``."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise DirectoryRefused(
            f"{path} is not a directory, so no servers can live there; set QS_HOME elsewhere"
        )
    if found.st_uid not in allowed:
        raise DirectoryRefused(
            f"{path} belongs to {user_name(found.st_uid)}, so {user_name(os.geteuid())} keeps no servers "
            "there; set QS_HOME to a directory of your own"
        )


def user_name(uid: int) -> str:
    """The name of a user, or the number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _unusable(home: Path, error: OSError) -> DirectoryRefused:
    return DirectoryRefused(
        f"{home} cannot be used as the home of the embedded servers ({error.strerror}); "
        "set QS_HOME to a directory of your own"
    )


def _check_name(home: Path) -> None:
    name = os.fsencode(home)
    if b"\n" in name or b"\r" in name:
        raise DirectoryRefused(
            f"{str(home)!r} holds a line break, which PostgreSQL's own files cannot; set QS_HOME elsewhere"
        )
    if len(name) > _LONGEST_HOME:
        raise DirectoryRefused(
            f"the path of the home has {len(name)} bytes and PostgreSQL allows about {_LONGEST_HOME}; "
            "set QS_HOME to a shorter one"
        )
