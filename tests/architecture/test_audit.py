"""The audit of the dependencies fails for what it found, and never passes for what it did not look at."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
SOUND: dict[str, Any] = {"name": "sound", "version": "1", "vulns": []}
SKIPPED = {"name": "skipped", "skip_reason": "not found"}
VULNERABLE = {"name": "weak", "version": "2", "vulns": [{"id": "PYSEC-1"}]}


@pytest.fixture
def audit() -> Any:
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([SOUND, SOUND], 0, "2 dependencies, no known vulnerability"),
        ([SOUND, VULNERABLE], 1, "weak 2 has PYSEC-1"),
        ([SOUND, SKIPPED], 1, "skipped was skipped"),
        ([SKIPPED, SKIPPED], 3, "NOT DONE"),
    ],
)
def test_the_verdict_is_that_of_what_was_looked_at(
    audit: Any, dependencies: list[dict[str, Any]], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = audit.judge(dependencies)

    written = capsys.readouterr()
    assert found == code
    assert said in written.out + written.err


@pytest.mark.parametrize(
    ("arguments", "verdict", "code"),
    [([], 3, 0), (["--strict"], 3, 3), ([], 1, 1), (["--strict"], 1, 1), (["--strict"], 0, 0)],
)
def test_an_audit_that_was_not_done_is_a_warning_to_a_person_and_a_gap_to_the_gates(
    audit: Any, arguments: list[str], verdict: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "audit", lambda: verdict)

    assert audit.main(arguments) == code
