"""What `qs events` and `qs notifications` take for misuse, before they ask any server."""

import pytest
from typer.testing import CliRunner

from qs.interface.cli.main import root


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
