"""The commands an operator has listed, and what becomes of one when a job gives its parameters."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from qs.infra.scheduler.executors.command_params import Param
from qs.infra.scheduler.executors.supervisor.order import Limits
from qs.infra.scheduler.executors.targets import Findings

MOST_PARAMS = 50
LONGEST_GRACE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Argument:
    """A fixed text, and after it the value of a parameter if one is named."""

    fixed: str
    param: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One entry of the list. ``flood_mb`` of output end it; what is beyond ``output_kb`` is dropped."""

    name: str
    line: int
    argv: tuple[Argument, ...]
    params: Mapping[str, Param] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    timeout: timedelta | None = None
    grace: timedelta = timedelta(seconds=10)
    limits: Limits = field(default_factory=Limits)
    output_kb: int = 1024
    flood_mb: int | None = None
    success_exit: frozenset[int] = frozenset({0})
    isolated: bool = True

    @property
    def program(self) -> str:
        return self.argv[0].fixed

    @property
    def obstacle(self) -> str | None:
        """Why the program cannot run on this machine, or None."""
        try:
            mode = os.stat(self.program).st_mode
        except OSError as error:
            return f"its program cannot be found ({error.strerror})"
        if not os.path.isfile(self.program) or not os.access(self.program, os.X_OK, effective_ids=True):
            return "its program is no file that may be executed"
        if mode & 0o002:
            return "its program can be written by anybody"
        if self.cwd is not None and not os.path.isdir(self.cwd):
            return "its cwd is no directory"
        return None

    def check(self, given: Mapping[str, Any], findings: Findings) -> None:
        """Finds what is wrong with the parameters, at ``/params``."""
        findings.unknown(given, self.params, "params")
        for name, param in self.params.items():
            if name not in given:
                if param.required:
                    findings.add("is required by this command", "params", name)
            elif problem := param.problem(given[name]):
                findings.add(problem, "params", name)

    def arguments(self, given: Mapping[str, Any]) -> list[str]:
        """The command line; an argument whose parameter has no value is left out.

        Raises:
            ValueError: a path leads out of its directory; the words begin with the parameter's name.
        """
        values: dict[str, str] = {}
        for name, param in self.params.items():
            value = given.get(name, param.default)
            if value is not None:
                try:
                    values[name] = param.argument(value)
                except ValueError as error:
                    raise ValueError(f"{name} {error}") from error
        return [
            argument.fixed + (values[argument.param] if argument.param is not None else "")
            for argument in self.argv
            if argument.param is None or argument.param in values
        ]


class CommandList:
    """Commands by name, and by name why an entry of the list cannot be used."""

    def __init__(self, commands: Iterable[Command], refused: Mapping[str, str] | None = None) -> None:
        self._commands = {command.name: command for command in commands}
        self.refused: Mapping[str, str] = dict(refused or {})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._commands))

    def find(self, name: str) -> Command | None:
        """The command of that name, whether or not its program is on this machine."""
        return self._commands.get(name)
