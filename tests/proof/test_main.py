"""`python -m tests.proof` says by its exit code and its table whether everything holds."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from types import TracebackType

import pytest

from tests.proof import __main__ as proof
from tests.proof.figures import Figures


class NoServers:
    def __enter__(self) -> "NoServers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


async def holding(servers, seed, rounds_scale, progress) -> Figures:
    figures = Figures(seed)
    figures.add("rounds", round(500 * rounds_scale))
    figures.none_of("violations", [])
    return figures


async def slow(servers, seed, rounds_scale, progress) -> Figures:
    figures = Figures(seed)
    figures.at_most("worst s", 12.5, 10.0)
    return figures


async def violating(servers, seed, rounds_scale, progress) -> Figures:
    figures = Figures(seed)
    figures.none_of("violations", ["I2: task 7f has two events"])
    return figures


async def breaking(servers, seed, rounds_scale, progress) -> Figures:
    raise AssertionError("not quiet")


async def deaf(servers, seed, rounds_scale, progress) -> Figures:
    os.kill(os.getpid(), signal.SIGTERM)
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@pytest.fixture(autouse=True)
def scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"holding": holding, "slow": slow, "violating": violating, "breaking": breaking, "deaf": deaf}
    monkeypatch.setattr(proof, "SCENARIOS", known)
    monkeypatch.setattr(proof, "Servers", NoServers)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str):
    monkeypatch.setattr("sys.argv", ["proof", *arguments])
    return proof.main(), capsys.readouterr().out


def test_the_exit_code_is_0_when_everything_holds(monkeypatch, capsys, tmp_path):
    file = tmp_path / "figures.json"

    code, table = said(
        monkeypatch, capsys, "--only", "holding", "--rounds", "50", "--seed", "3", "--json", str(file)
    )

    assert code == 0
    assert "holding  holds  (seed 3" in table
    assert json.loads(file.read_text())["holding"]["figures"][0]["value"] == 50


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("slow", "! worst s"),
        ("violating", "! I2: task 7f has two events"),
        ("breaking", "! it broke: AssertionError: not quiet"),
    ],
)
def test_the_exit_code_is_1_when_one_does_not_hold_and_the_seed_is_told(monkeypatch, capsys, name, reason):
    code, table = said(monkeypatch, capsys, "--only", "holding", "--only", name, "--seed", "3")

    assert code == 1
    assert f"{name}  FAILS" in table
    assert reason in table
    assert f"python -m tests.proof --seed 3 --only {name}" in table


def test_a_run_that_is_asked_to_end_does_so_even_if_a_cancellation_is_lost(monkeypatch, capsys):
    monkeypatch.setattr(proof, "_CANCEL_EVERY_S", 0.05)

    with pytest.raises(KeyboardInterrupt):
        said(monkeypatch, capsys, "--only", "deaf")
