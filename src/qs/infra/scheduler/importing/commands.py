"""Drafts of entries for the allow-list of commands, which a person looks through before they mean anything."""

import os.path
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qs.infra.scheduler.files.showing import shown, without_passwords
from qs.infra.scheduler.importing.imported import Draft
from qs.infra.scheduler.importing.shell_words import BUILTINS

_MOST_ARGUMENTS = 200
_LONGEST_ARGUMENT = 4096
_MOST_VARIABLES = 50
_WORD = re.compile(r"[^\s|&;<>()\"'`]+")
_WRAPPERS = (
    "env nice ionice nohup flock timeout setsid chronic time sudo su bash sh dash python python3 php perl ruby node java "
    "test ["
)
_NO_NAMES = BUILTINS.union(_WRAPPERS.split())
_RISING = frozenset({"sudo", "su", "runuser", "doas", "gosu", "pkexec"})


def draft_command(
    draft: Draft,
    line: int | None,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    params: Sequence[str] = (),
    cwd: str | None = None,
    name: str | None = None,
    find: Callable[[str], str | None] = lambda name: None,
) -> str:
    """The name of an entry that runs this program with these arguments and the values of ``params`` behind them.

    ``find`` gives the path of a program; ``name`` is what to call the entry, else it is called after the program.
    """
    if len(argv) > _MOST_ARGUMENTS or any(len(each) > _LONGEST_ARGUMENT for each in argv):
        words = " ".join(map(_quoted, argv))
        return draft_script(
            draft,
            line,
            words,
            f"it has more than {_MOST_ARGUMENTS} arguments, or a longer one than 4096 characters",
            env=env,
        )
    program = _path(draft, line, argv[0], find)
    if os.path.basename(program) in _RISING:
        draft.note(
            line,
            shown(" ".join(argv)),
            f"{os.path.basename(program)} cannot gain rights, since commands here run with no_new_privs",
            "run a worker under the account it needs, and take it out of argv",
        )
    if any(without_passwords(each) != each for each in argv):
        draft.carried(
            line,
            shown(" ".join(argv)),
            "a secret seems to stand in the arguments, where every user of the machine can read it",
            "let the program read it from a file or a variable; env of an entry takes secret://name",
        )
    entry: dict[str, Any] = {"argv": [_literal(each) for each in (program, *argv[1:])]}
    if params:
        entry["argv"] += [f"{{{param}}}" for param in params]
        entry["params"] = {param: {"type": "string", "required": True} for param in params}
    if env:
        entry["env"] = _few(draft, line, env)
    if cwd is not None:
        entry["cwd"] = os.path.normpath(cwd)
    return draft.command(name or name_of(" ".join(argv)), entry)


def draft_script(
    draft: Draft,
    line: int | None,
    command: str,
    why: str,
    *,
    env: Mapping[str, str],
    interpreter: str = "/bin/sh",
    stdin: str | None = None,
) -> str:
    """The name of an entry that runs a script, which a person has to create with what stood in the line."""
    content = f"#!{interpreter}\n{command}"
    if stdin is not None:
        content += f" <<'QS_STDIN'\n{stdin}QS_STDIN"
    path = draft.script(name_of(command), content + "\n")
    draft.note(
        line,
        shown(command),
        f"could not be carried over as is: {why}, and commands here have no shell",
        f"create {path} (mode 0755, not writable by others) with this line in it, or write the entry without a shell",
    )
    entry: dict[str, Any] = {"argv": [_literal(path)]}
    if env:
        entry["env"] = _few(draft, line, env)
    return draft.command(path.rpartition("/")[2].removesuffix(".sh"), entry)


def name_of(command: str) -> str:
    """What to call it: the program, or the script it is told to run."""
    words = [word for word in _WORD.findall(without_passwords(command)) if not word.startswith("-")]
    skip_next = False
    for word in words:
        base = os.path.basename(word.rstrip("/"))
        if skip_next:
            skip_next = False
        elif word == "cd":
            skip_next = True
        elif base and base not in _NO_NAMES and "=" not in word and not base.isdecimal():
            return re.sub(r"\.(sh|py|php|pl|rb|js|jar)$", "", base)
    return os.path.basename(words[0]) if words else "command"


def _path(draft: Draft, line: int | None, program: str, find: Callable[[str], str | None]) -> str:
    if program.startswith("/"):
        return os.path.normpath(program)
    if "/" not in program and (found := find(program)):
        path = os.path.normpath(found)
        draft.carried(
            line,
            shown(program),
            f"the allow-list names programs by their path, and here it is {path}",
            "compare the path",
        )
        return path
    path = f"/usr/local/bin/{re.sub(r'[^A-Za-z0-9._-]', '-', os.path.basename(program)) or 'program'}"
    draft.note(
        line,
        shown(program),
        "the allow-list names programs by their absolute path, and this one was not found here",
        f"replace {path} in its entry by what `command -v` tells where the workers run",
    )
    return path


def _few(draft: Draft, line: int | None, env: Mapping[str, str]) -> dict[str, str]:
    if len(env) > _MOST_VARIABLES:
        left = ", ".join(list(env)[_MOST_VARIABLES:])
        draft.note(
            line,
            f"the variables {left[:200]}",
            f"a command has {_MOST_VARIABLES} at most",
            "set them in a script",
        )
    return dict(list(env.items())[:_MOST_VARIABLES])


def _literal(argument: str) -> str:
    """As the allow-list writes it, where a single brace opens a parameter."""
    return argument.replace("{", "{{").replace("}", "}}")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
