"""Where the servers of a home keep their data and their sockets.

Normally that is ``<home>/embedded`` itself. Two things can forbid it. Under root the servers run as an
unprivileged user, who may be unable to reach the home: then everything goes to a directory of its own under
``/var/lib``. And a socket's path holds 107 bytes, and not every client can read an escaped one: then the sockets go
to a private directory with a short name. Which it is, is written into the home and stays.
"""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qs.infra.embedded import locks
from qs.infra.embedded.errors import DirectoryRefused
from qs.infra.embedded.layout import Control, check_owner, own_directory, user_name
from qs.infra.embedded.privileges import ServerUser, can_enter
from qs.infra.embedded.state import read_json, write_json

SERVERS = ("postgres", "redis")
_PLAIN_SOCKET_DIRECTORY = re.compile(r"[A-Za-z0-9_./-]{1,80}")
_OWNER_FILE = "owner.json"


def base() -> Path:
    """Where servers live that cannot reach their home: ``QS_EMBEDDED_DIR``, else ``/var/lib/qs-embedded``."""
    return Path(os.environ.get("QS_EMBEDDED_DIR") or "/var/lib/qs-embedded").absolute()


def cache() -> Path:
    """The directory of copied programs, made when absent."""
    programs = _own_base() / "programs"
    own_directory(programs, os.geteuid(), mode=0o711)
    return programs


@dataclass(frozen=True, slots=True)
class Place:
    """The directory of the servers and the directory of their sockets."""

    directory: Path
    sockets: Path

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def redis(self) -> Path:
        return self.directory / "redis"

    def lock(self, server: str) -> Path:
        """Held by every process of that server: it is free when the last of them has ended."""
        return self.directory / f"{server}.lock"


def recorded(control: Control) -> Place | None:
    """The place written into the home, or None before the first start."""
    record = read_json(control.place)
    if record is None:
        return None
    directory = Path(record["directory"]) if record.get("directory") else control.directory
    sockets = Path(record["sockets"]) if record.get("sockets") else directory / "run"
    return Place(directory, sockets)


def data_of(control: Control) -> Path:
    """Where the data of PostgreSQL are, if there are any."""
    place = recorded(control)
    return (place.directory if place else control.directory) / "postgres"


def settle(control: Control, user: ServerUser, *, ephemeral: bool) -> Place:
    """The place of this home, made ready for ``user`` and written down; for the keeper of the home alone."""
    record = read_json(control.place) or {"id": str(uuid.uuid4()), "directory": None, "sockets": None}
    directory = control.directory
    if record["directory"] or not (can_enter(directory, user) or (directory / "postgres").exists()):
        # The home names its data before they are there: else another keeper could take them for an orphan's.
        write_json(control.place, record)
        directory = _outside(control, record, ephemeral=ephemeral)
        record["directory"] = str(directory)
        write_json(control.place, record)
    place = Place(directory, _sockets(directory, record, user))
    write_json(control.place, record)
    own_directory(place.redis, user.uid, gid=user.gid, mode=0o700)
    for each in (place.redis, place.sockets):
        if not can_enter(each, user):
            raise DirectoryRefused(
                f"{user_name(user.uid)}, as whom the servers run, cannot enter {each}; "
                "open the directories above it for passing through (chmod o+x), or set QS_HOME elsewhere"
            )
    return place


def leave(control: Control) -> None:
    """What the servers kept outside the home only while they ran is gone."""
    record = read_json(control.place)
    if record and record.get("sockets"):
        _remove_sockets(Path(record["sockets"]))
        record["sockets"] = None
        write_json(control.place, record)


def remove_outside(control: Control) -> None:
    """The directory outside the home is deleted, if there is one and it is this home's."""
    record = read_json(control.place)
    if record and record.get("directory"):
        directory = Path(record["directory"])
        owner = read_json(directory / _OWNER_FILE)
        if owner and owner.get("id") == record["id"]:
            shutil.rmtree(directory)


def forget_orphans() -> None:
    """Ephemeral servers' directories whose home is gone are deleted; durable data are never."""
    for file in base().glob(f"*/{_OWNER_FILE}"):
        owner = read_json(file)
        # Another keeper may do the same, so anything may be gone already.
        with contextlib.suppress(FileNotFoundError):
            if owner and owner["ephemeral"] and not _is_lived_in(file.parent, owner):
                shutil.rmtree(file.parent)


def _is_lived_in(directory: Path, owner: dict[str, Any]) -> bool:
    record = read_json(Control(Path(owner["home"])).place)
    if record is not None and record.get("id") == owner["id"]:
        return True
    return not all(locks.is_free(directory / f"{name}.lock") for name in SERVERS)


def _own_base() -> Path:
    """``base()``, made when absent; one that was there keeps its mode, as somebody chose it."""
    base().mkdir(mode=0o711, parents=True, exist_ok=True)
    check_owner(base(), {os.geteuid()})
    return base()


def _outside(control: Control, record: dict[str, Any], *, ephemeral: bool) -> Path:
    """The home's own directory under ``base()``; a home made anew at the same path gets another one."""
    name = hashlib.sha256(os.fsencode(control.home)).hexdigest()[:12]
    directory = Path(record["directory"] or base() / f"{name}-{record['id'][:8]}")
    try:
        _own_base()
        owner = read_json(directory / _OWNER_FILE)
        if owner is None:
            if record["directory"] and not ephemeral:
                raise DirectoryRefused(
                    f"the data of {control.home} were in {directory}, which is gone; put it back, "
                    f"or delete {control.place} to begin with an empty database"
                )
            owner = {"id": record["id"], "ephemeral": ephemeral}
        _check_not_shared(control, record, owner, directory)
        own_directory(directory, os.geteuid(), mode=0o711)
        owner.update(home=str(control.home), ephemeral=ephemeral and owner["ephemeral"])
        write_json(directory / _OWNER_FILE, owner)
    except OSError as error:
        raise DirectoryRefused(
            f"the user of the servers cannot reach {control.home}, and {directory} cannot be used instead "
            f"({error.strerror}); set QS_HOME to a directory others may pass through, or QS_EMBEDDED_DIR"
        ) from error
    return directory


def _check_not_shared(
    control: Control, record: dict[str, Any], owner: dict[str, Any], directory: Path
) -> None:
    other = Control(Path(owner.get("home", control.home)))
    theirs = read_json(other.place) if other.home != control.home else None
    if owner["id"] != record["id"] or (theirs is not None and theirs.get("id") == record["id"]):
        raise DirectoryRefused(
            f"{directory} holds the data of {other.home}, of which {control.home} seems to be a copy; "
            f"delete {control.place} to begin with an empty database"
        )


def _remove_sockets(directory: Path) -> None:
    with contextlib.suppress(OSError):
        for socket in (*directory.glob(".s.PGSQL.*"), *directory.glob("redis.sock")):
            socket.unlink()
        directory.rmdir()


def _fits_sockets(directory: Path) -> bool:
    return _PLAIN_SOCKET_DIRECTORY.fullmatch(str(directory)) is not None


def _sockets(directory: Path, record: dict[str, Any], user: ServerUser) -> Path:
    inside = directory / "run"
    if _fits_sockets(inside):
        own_directory(inside, user.uid, gid=user.gid, mode=0o700)
        record["sockets"] = None
        return inside
    kept = record.get("sockets")
    if kept and _is_private(Path(kept), user):
        return Path(kept)
    made = Path(tempfile.mkdtemp(prefix="qs-", dir=_own_base() if user.is_other else None))
    if not _fits_sockets(made):
        made.rmdir()
        raise DirectoryRefused(
            f"neither {inside} nor {made} is short and plain enough for the path of a socket; "
            "set QS_HOME or TMPDIR to a short path of letters and digits"
        )
    own_directory(made, user.uid, gid=user.gid, mode=0o700)
    record["sockets"] = str(made)
    return made


def _is_private(directory: Path, user: ServerUser) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == user.uid and stat.S_IMODE(found.st_mode) == 0o700
