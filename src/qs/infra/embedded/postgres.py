"""PostgreSQL as an embedded server."""

import locale
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from qs.infra.embedded.errors import DirectoryRefused
from qs.infra.embedded.layout import own_directory
from qs.infra.embedded.place import Place
from qs.infra.embedded.privileges import ServerUser
from qs.infra.embedded.process import Command, Server

OLDEST_MAJOR = 15
_FIRST_WITH_BUILTIN_LOCALE = 17
_PORT = 5432
_STATUS_LINE = 7

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # A failing statement and the detail of its error carry the values of rows, which have no place in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_WITHOUT_SAFETY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """PostgreSQL with the superuser ``qs`` and the database ``qs``, on a socket only."""

    name = "postgres"
    # Fast shutdown, then immediate shutdown, then none of the server's own doing.
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))

    def __init__(
        self, binaries: Path, major: int, place: Place, user: ServerUser, log_file: Path, *, ephemeral: bool
    ) -> None:
        super().__init__(place, user, log_file, ephemeral=ephemeral)
        self._binaries = binaries
        self._major = major

    @property
    def url(self) -> str:
        """The DSN of the database ``qs`` as the superuser ``qs``."""
        # The port is said because PGPORT in a client's environment would otherwise choose another socket.
        return f"postgresql://qs@/qs?host={self.place.sockets}&port={_PORT}"

    def prepare(self, tick: Callable[[], None]) -> None:
        """The data directory exists and fits these binaries; a new one is put in place whole.

        ``tick`` is called again and again meanwhile. Raises ``DirectoryRefused`` and ``ServersNotStarted``.
        """
        data = self.place.postgres
        if (data / "PG_VERSION").exists():
            self._check_version(data)
            return
        if data.exists() and any(data.iterdir()):
            raise DirectoryRefused(
                f"{data} holds files but no database, so none is made there; move it away or set QS_HOME"
            )
        new = data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        own_directory(new, self.user.uid, gid=self.user.gid, mode=0o700)
        try:
            self.run_to_end(self._initdb(new), tick=tick)
            self.run_to_end(self._single(new), given=b"CREATE DATABASE qs\n", tick=tick)
            new.rename(data)
        except BaseException:
            # Room on a full disk is worth more than the pieces; the reason is in the log.
            shutil.rmtree(new, ignore_errors=True)
            raise

    def command(self) -> Command:
        """The postmaster in the foreground, set up by its arguments alone."""
        settings = _SETTINGS | (_WITHOUT_SAFETY if self.ephemeral else {})
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        files = ["-D", str(self.place.postgres), "-k", str(self.place.sockets)]
        return [str(self._binaries / "postgres"), *files, "-p", str(_PORT), *options]

    def directory(self) -> Path:
        """The data directory."""
        return self.place.postgres

    def forget_past(self) -> None:
        """Remove the files that name an earlier process."""
        # PostgreSQL refuses to start when any process, even an innocent one, has the number in these files.
        self._pid_file.unlink(missing_ok=True)
        for suffix in ("", ".lock"):
            (self.place.sockets / f".s.PGSQL.{_PORT}{suffix}").unlink(missing_ok=True)

    def answers(self, pid: int) -> bool:
        """Whether it says so in its own file, as pg_ctl reads it."""
        try:
            lines = self._pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE].strip() == "ready"

    @property
    def _pid_file(self) -> Path:
        return self.place.postgres / "postmaster.pid"

    def _check_version(self, data: Path) -> None:
        made_by = (data / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != str(self._major):
            raise DirectoryRefused(
                f"{data} was made by PostgreSQL {made_by}, and {self._binaries} is PostgreSQL {self._major}; "
                f"set QS_PG_BIN to a PostgreSQL {made_by}, or dump the data with it and load them into a new home"
            )

    def _initdb(self, data: Path) -> Command:
        files = [str(self._binaries / "initdb"), "-D", str(data), "--no-instructions"]
        # Authentication is the 0700 directory of the socket.
        access = ["-U", "qs", "--auth-local=trust", "--auth-host=reject"]
        speed = ["--no-sync"] if self.ephemeral else []
        return [*files, *access, *speed, "-E", "UTF8", "--locale=C", *self._text_rules()]

    def _text_rules(self) -> Command:
        if self._major >= _FIRST_WITH_BUILTIN_LOCALE:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return [f"--lc-ctype={_libc_locale()}"]

    def _single(self, data: Path) -> Command:
        return [
            str(self._binaries / "postgres"),
            "--single",
            "-D",
            str(data),
            "-c",
            "exit_on_error=on",
            "postgres",
        ]


def _libc_locale() -> str:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"
