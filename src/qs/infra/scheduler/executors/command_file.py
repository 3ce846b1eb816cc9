"""From the allow-list file to the commands in it: every entry is whole and sound, or refused by its line."""

import os.path
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

from qs.domain.scheduler.secrets import name_problem
from qs.infra.scheduler.executors import command_values as values
from qs.infra.scheduler.executors.command_document import Node, read_document
from qs.infra.scheduler.executors.command_list import (
    LONGEST_GRACE,
    MOST_PARAMS,
    Argument,
    Command,
    CommandList,
)
from qs.infra.scheduler.executors.command_params import KINDS, MOST_LENGTH, USUAL_LENGTH, Kind, Param
from qs.infra.scheduler.executors.command_values import Wrong
from qs.infra.scheduler.executors.secrets import references
from qs.infra.scheduler.executors.supervisor.order import Limits

_MOST_ARGUMENTS = 200
_MOST_VARIABLES = 50

_COMMAND = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PARAM = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OURS = re.compile(r"QS_.*|TRACEPARENT")
_PIECE = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]*)\}|[{}]")

# They read a program from their arguments, which a parameter must not become part of.
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "busybox"})
_SHELL_SCRIPT = re.compile(r"-[a-z]*c[a-z]*|--command(=.*)?")

_ENTRY_KEYS = frozenset(
    "argv params env cwd timeout rlimits output_kb flood_mb grace_s success_exit isolated".split()  # noqa: SIM905
)
_PARAM_KEYS = frozenset(
    "type pattern min max max_length values root default required allow_dash".split()  # noqa: SIM905
)


def read_command_list(path: Path, *, uid: int | None = None) -> CommandList:
    """The commands of the file; an entry that is wrong, or whose program is not here, is refused and the rest stands.

    Raises:
        CommandFileRefused: the file as a whole cannot be trusted or read.
    """
    commands, refused = [], {}
    for name, node in read_document(path, uid=uid).items():
        try:
            command = _command(name, node)
        except Wrong as error:
            refused[name] = str(error)
            continue
        commands.append(command)
        if (obstacle := command.obstacle) is not None:
            refused[name] = f"line {node.line}: {obstacle}"
    return CommandList(commands, refused)


def _command(name: str, node: Node) -> Command:
    if not _COMMAND.fullmatch(name):
        raise Wrong(node, "a command is named by 1 to 64 small letters, digits, - and _")
    entry = values.keys(node, _ENTRY_KEYS)
    if "argv" not in entry:
        raise Wrong(node, "argv is missing: the program's absolute path and its arguments")
    params = {
        key: _param(key, value) for key, value in values.mapping(entry.get("params"), MOST_PARAMS).items()
    }
    return Command(
        name=name,
        line=node.line,
        argv=_argv(entry["argv"], params),
        params=params,
        env=_env(entry.get("env")),
        cwd=values.given(entry, "cwd", values.absolute, None),
        timeout=values.given(entry, "timeout", values.duration, None),
        grace=timedelta(
            seconds=values.given(entry, "grace_s", values.between(0, LONGEST_GRACE.total_seconds()), 10)
        ),
        limits=_limits(entry.get("rlimits")),
        output_kb=values.given(entry, "output_kb", values.whole(0, 65536), 1024),
        flood_mb=values.given(entry, "flood_mb", values.whole(1, 1 << 20), None),
        success_exit=frozenset(values.given(entry, "success_exit", values.exits, [0])),
        isolated=values.given(entry, "isolated", values.flag, True),
    )


def _argv(node: Node, params: Mapping[str, Param]) -> tuple[Argument, ...]:
    items = values.items(node, _MOST_ARGUMENTS)
    argv = tuple(_argument(item, params) for item in items)
    if not argv or argv[0].param is not None:
        raise Wrong(node, "argv begins with a program, which is no parameter")
    values.absolute(items[0])
    unused = params.keys() - {argument.param for argument in argv}
    if unused:
        raise Wrong(node, f"no argument holds {{{min(unused)}}}, so that parameter would do nothing")
    is_shell = os.path.basename(argv[0].fixed) in _SHELLS
    if params and is_shell and any(_SHELL_SCRIPT.fullmatch(argument.fixed) for argument in argv[1:]):
        raise Wrong(node, "a shell's -c makes commands of values; put the script into a file of its own")
    return argv


def _argument(node: Node, params: Mapping[str, Param]) -> Argument:
    text = values.text(node, MOST_LENGTH)
    fixed, param, end = "", None, 0
    for piece in _PIECE.finditer(text):
        fixed += text[end : piece.start()]
        end = piece.end()
        if piece[0] in ("{{", "}}"):
            fixed += piece[0][0]
        elif piece[1] is None:
            raise Wrong(node, "a single brace says nothing; write {{ or }} for a brace")
        elif end < len(text):
            raise Wrong(node, f"{piece[0]} must be the end of its argument, as in --day={{day}}")
        elif piece[1] not in params:
            raise Wrong(node, f"there is no parameter {piece[1]}; declare it under params")
        else:
            param = piece[1]
    return Argument(fixed + text[end:], param)


def _param(name: str, node: Node) -> Param:
    if not _PARAM.fullmatch(name):
        raise Wrong(node, "a parameter is named by 1 to 64 small letters, digits and _")
    found = values.keys(node, _PARAM_KEYS)
    kind = values.given(found, "type", lambda value: values.text(value, 20), "string")
    if kind not in KINDS:
        raise Wrong(node, f"type must be one of {', '.join(KINDS)}")
    fits = {
        "pattern": kind == "string",
        "min": kind in ("integer", "number"),
        "max": kind in ("integer", "number"),
        "values": kind == "enum",
        "root": kind == "path_under",
    }
    for key, does in fits.items():
        if key in found and not does:
            raise Wrong(found[key], f"{key} says nothing of a parameter of type {kind}")
    for needed, of in (("values", "enum"), ("root", "path_under")):
        if kind == of and needed not in found:
            raise Wrong(node, f"a parameter of type {of} needs {needed}")
    param = Param(
        name=name,
        kind=cast(Kind, kind),
        pattern=values.given(found, "pattern", values.pattern, None),
        low=values.given(found, "min", values.number, None),
        high=values.given(found, "max", values.number, None),
        max_length=values.given(found, "max_length", values.whole(1, MOST_LENGTH), USUAL_LENGTH),
        values=values.given(found, "values", values.texts, ()),
        root=values.given(found, "root", values.absolute, None),
        required=values.given(found, "required", values.flag, False),
        allow_dash=values.given(found, "allow_dash", values.flag, False),
    )
    return _with_default(param, found["default"]) if "default" in found else param


def _with_default(param: Param, node: Node) -> Param:
    text = values.text(node, MOST_LENGTH, may_be_empty=True)
    try:
        value = param.parse(text)
    except ValueError as error:
        raise Wrong(node, f"the default {error}") from error
    if problem := param.problem(value):
        raise Wrong(node, f"the default {problem}")
    return replace(param, default=value)


def _env(node: Node | None) -> dict[str, str]:
    found = {}
    for name, value in values.mapping(node, _MOST_VARIABLES).items():
        if not _VARIABLE.fullmatch(name) or _OURS.fullmatch(name):
            raise Wrong(value, "a variable is named by letters, digits and _, and not QS_… or TRACEPARENT")
        found[name] = values.text(value, MOST_LENGTH, may_be_empty=True)
        for secret in references(found[name]):
            if problem := name_problem(secret):
                raise Wrong(value, f"refers to a secret that {problem}")
    return found


def _limits(node: Node | None) -> Limits:
    bounds: dict[str, tuple[str, int, int]] = {
        "cpu_s": ("cpu_s", 1, 604800),
        "memory_mb": ("memory_mb", 16, 1 << 20),
        "file_size_mb": ("file_size_mb", 1, 1 << 20),
        "files": ("files", 16, 1 << 20),
        "processes": ("tasks", 1, 32768),
    }
    given = values.keys(node, bounds) if node is not None else {}
    return Limits(**{bounds[key][0]: values.whole(*bounds[key][1:])(value) for key, value in given.items()})
