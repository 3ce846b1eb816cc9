"""What `qs events` and `qs notifications` take for misuse, before they ask any server."""

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from qs.interface.cli.main import root
from qs.interface.cli.tenancy import LISTS


@pytest.mark.parametrize(
    "arguments",
    [
        ("events", "replay"),
        ("events", "replay", "--after", "1", "--dead", "notifications"),
        ("events", "replay", "--id", "nonsense"),
        ("events", "tail", "--after", "-1"),
        ("notifications", "list", "--status", "lost"),
        ("notifications", "list", "--task", "nonsense"),
        ("notifications", "show", "nonsense"),
    ],
)
def test_misuse_ends_with_2_and_says_why(arguments):
    done = CliRunner().invoke(root, arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr


def test_a_context_that_has_no_events_is_misuse_and_told_which_have():
    done = CliRunner().invoke(root, ("events", "tail", "--context", "nope"))

    assert (done.exit_code, done.stdout) == (2, "")
    assert all(context in done.stderr for context in ("plan", "scheduler"))


@pytest.mark.parametrize(
    ("arguments", "verb"),
    [
        (("events", "replay", "--id", "nonsense"), "events tail --json"),
        (("notifications", "show", "nonsense"), "notifications list"),
        (("notifications", "list", "--task", "nonsense"), "task list"),
        (("task", "show", "nonsense"), "task list"),
        (("plan", "show", "nonsense"), "plan list"),
    ],
)
def test_who_types_no_id_is_told_the_verb_that_shows_ids(arguments, verb):
    done = CliRunner().invoke(root, arguments)

    assert done.exit_code == 2
    assert f"`qs {verb}`" in done.stderr


def test_every_verb_that_is_said_to_show_ids_is_there():
    root_command: Any = typer.main.get_command(root)
    context = root_command.make_context("qs", ["config"], resilient_parsing=True)
    for verb in LISTS.values():
        group, word, *_ = verb.split()

        _, command, _ = root_command.resolve_command(context, [group])
        assert word in command.commands
