"""What `qs stats` and `qs demo --plot` take for misuse, before they ask any server."""

import sys

import pytest
from typer.testing import CliRunner

from qs.interface.cli.main import root

PLAN = "0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968"


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats", "sync", "hourly"),
        ("stats", "show", "everything"),
        ("stats", "show", "scale"),
        ("stats", "show", "system", "PHQ-9"),
        ("stats", "show", "plan", "nonsense"),
        ("stats", "plot", "trend"),
        ("stats", "plot", "pie", "-o", "x.png"),
        ("stats", "plot", "trend", "-o", "x.pdf"),
        ("stats", "plot", "trend", "-o", "png"),
        ("stats", "plot", "trend", "--from", "soon", "-o", "x.png"),
        ("stats", "plot", "trend", "--from", "2026-05-02", "--to", "2026-05-01", "-o", "x.png"),
        ("stats", "plot", "trend", "--plan", "nonsense", "-o", "x.png"),
        ("stats", "plot", "trend", "--plan", PLAN, "--scale", "PHQ-9", "-o", "x.png"),
        ("stats", "plot", "retention", "--scale", "PHQ-9", "-o", "x.png"),
        ("stats", "plot", "retention", "-o", "x.png"),
        ("demo", "--plot", "x.jpeg"),
    ],
)
def test_misuse_ends_with_2_and_says_why(arguments):
    done = CliRunner().invoke(root, arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr


@pytest.mark.parametrize(
    "arguments", [("stats", "plot", "trend", "-o", "x.svg"), ("demo", "--plot", "x.svg")]
)
def test_without_matplotlib_nothing_is_begun_and_what_to_install_is_said(arguments, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "qs.infra.statistics.canvas", raising=False)

    done = CliRunner().invoke(root, arguments)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "matplotlib is not installed, which drawing needs: pip install 'qs[plots]'\n"
