"""Imports a crontab: each entry becomes a job that runs a command, and a draft of that command for the allow-list."""

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from qs.infra.scheduler.files.showing import shown
from qs.infra.scheduler.importing.commands import draft_command, draft_script, name_of
from qs.infra.scheduler.importing.crontab_lines import Entry, Form, Leftover, Variable, read_lines
from qs.infra.scheduler.importing.crontab_spec import read_when
from qs.infra.scheduler.importing.hiding import SecretNames
from qs.infra.scheduler.importing.imported import Draft, Imported, decoded
from qs.infra.scheduler.importing.shell_words import CommandLine, read_command_line

MOST_BYTES = 1024 * 1024
USUAL_PATH = "/usr/bin:/bin"

_ADDRESS = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9.-]{1,190}")
_FLAGS = re.compile(r"(?:-[nqs]+\s+)+")
_NOT_HERE = frozenset(
    {"MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "START_HOURS_RANGE", "LOGNAME", "USER"}
)

FindProgram = Callable[[str, str], str | None]


@dataclass(slots=True)
class _Surroundings:
    """What the variables above an entry say."""

    timezone: str | None = None
    jitter: str | None = None
    email: list[str] = field(default_factory=list)
    shell: str = "/bin/sh"
    path: str = USUAL_PATH
    home: str | None = None
    env: dict[str, str] = field(default_factory=dict)


def import_crontab(
    content: bytes, *, form: Form = "auto", users: Iterable[str] = (), find_program: FindProgram | None = None
) -> Imported:
    """The jobs of a user's crontab, or of /etc/crontab and cron.d whose entries name a user.

    ``users`` help to tell the two apart; ``find_program`` is asked for the path of a program by its name and the PATH.

    Raises:
        ImportRefused: it is no text.
    """
    text = decoded(content, MOST_BYTES)
    importing = _Importing(find_program or (lambda name, path: shutil.which(name, path=path)))
    if "\r\n" in text:
        importing.draft.carried(
            None, "the line ends", "they are those of Windows, which cron would hand to commands"
        )
    for line in read_lines(text, form, users):
        if isinstance(line, Variable):
            importing.variable(line)
        elif isinstance(line, Entry):
            importing.entry(line)
        else:
            importing.leftover(line)
    return importing.imported()


class _Importing:
    def __init__(self, find_program: FindProgram) -> None:
        self.draft = Draft()
        self._find_program = find_program
        self._now = _Surroundings()
        self._secrets = SecretNames(self.draft)
        self._users: dict[str, int] = {}
        self._comments: list[int] = []
        self._has_zone = False

    def imported(self) -> Imported:
        for user, line in self._users.items():
            self.draft.note(
                line,
                f"the user {shown(user)}",
                "cron ran commands as that user, and here a command runs as the account of the worker",
                "run a worker under that account, or give the worker's account the rights the command needs",
            )
        if self._comments:
            told = ", ".join(map(str, self._comments[:20])) + (", …" if len(self._comments) > 20 else "")
            self.draft.carried(
                None, "comments", f"those in lines {told} belong to no entry and were left behind"
            )
        imported = self.draft.imported()
        if imported.jobs and not self._has_zone:
            self.draft.carried(
                None,
                "the time zone",
                "the crontab names none, so cron ran by the clock of its machine; these jobs run by scheduler.timezone",
                "set that, or a timezone per job, if the two differ",
            )
        if imported.commands:
            self.draft.carried(
                None,
                "the working directory",
                "cron started commands in the home of their user; here each starts in an empty directory of its own",
                "set cwd in the entry of a command that needs another",
            )
        return self.draft.imported()

    def leftover(self, line: Leftover) -> None:
        if line.kind == "comment":
            self._comments.append(line.line)
        elif line.kind == "commented out":
            self.draft.carried(line.line, shown(line.text), "is commented out, so it was not imported")
        else:
            self.draft.note(
                line.line,
                shown(line.text),
                "is neither five fields with a command nor NAME=value, so cron ran nothing",
                "correct the line and import again, or leave it",
            )

    def variable(self, line: Variable) -> None:
        now, name, value = self._now, line.name, line.value
        match name:
            case "MAILTO":
                self._mailto(line)
            case "SHELL":
                now.shell = value
            case "PATH":
                now.path = value
            case "HOME":
                now.home = value if value.startswith("/") else None
            case "CRON_TZ":
                now.timezone = value or None
                self._has_zone = self._has_zone or bool(value)
            case "RANDOM_DELAY" if value.isdecimal():
                now.jitter = f"{value}m"
            case _ if name in _NOT_HERE:
                self.draft.carried(line.line, f"{name}={shown(value)}", "has no counterpart here")
            case _:
                self._env(line)

    def entry(self, line: Entry) -> None:
        when = read_when(line.spec)
        what = f"{line.spec} {line.command}"
        if when.impossible:
            self.draft.note(
                line.line,
                shown(what),
                when.impossible,
                "start it from a systemd unit, or write a job by hand",
            )
            return
        name = name_of(line.command)
        document: dict[str, Any] = {
            "name": name,
            **when.fields,
            "timezone": self._now.timezone,
            "jitter": self._now.jitter,
            "notify": {"email": list(self._now.email)} if self._now.email else None,
            "remarks": line.comment or None,
        }
        if not self.draft.takes(document, line.line):
            return
        for why in when.carried:
            self.draft.carried(line.line, shown(what), why)
        for why in when.to_check:
            self.draft.note(line.line, shown(what), why, "check the schedule")
        self.draft.add(document | {"target": {"command": self._command(line)}}, line.line)
        if line.user:
            self._users.setdefault(line.user, line.line)

    def _command(self, line: Entry) -> str:
        """The name of the allow-list entry."""
        text = line.command
        if flags := _FLAGS.match(text):
            self.draft.carried(
                line.line, flags[0].strip(), "are flags of cron; mail is for failures, one run at a time"
            )
            text = text[flags.end() :]
        read = read_command_line(text)
        if line.stdin is not None and read.shell is None:
            read.shell = "`%` hands it lines on its input"
        if read.shell is None:
            return self._program(line, read)
        return draft_script(
            self.draft,
            line.line,
            text,
            read.shell,
            interpreter=self._now.shell,
            stdin=line.stdin,
            env=self._environment({}),
        )

    def _program(self, line: Entry, read: CommandLine) -> str:
        if read.discards:
            self.draft.carried(
                line.line,
                shown(line.command),
                "its output went to /dev/null or into one stream; here it is kept with each run",
            )
        return draft_command(
            self.draft,
            line.line,
            read.argv,
            env=self._environment(read.env),
            cwd=self._now.home,
            find=lambda name: self._find_program(name, self._now.path),
        )

    def _environment(self, own: dict[str, str]) -> dict[str, str]:
        env = {"PATH": self._now.path} | self._now.env
        return env | {name: self._secrets.hidden(None, name, value) for name, value in own.items()}

    def _env(self, line: Variable) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", line.name) or re.match(
            "QS_|TRACEPARENT$", line.name
        ):
            self.draft.note(
                line.line,
                line.name,
                "a command may have no variable of that name",
                "rename it in the command and its entry",
            )
            return
        self._now.env[line.name] = self._secrets.hidden(line.line, line.name, line.value)

    def _mailto(self, line: Variable) -> None:
        self._now.email = []
        for each in filter(None, (part.strip() for part in line.value.split(","))):
            if _ADDRESS.fullmatch(each):
                self._now.email.append(each)
            else:
                self.draft.note(
                    line.line,
                    f"MAILTO={shown(each)}",
                    "is no e-mail address but a mailbox of the machine",
                    "write a full address into notify.email of the jobs below",
                )
        if self._now.email:
            self.draft.carried(
                line.line,
                "MAILTO",
                "cron mailed whatever a command wrote; here mail tells of failures and recoveries",
            )
