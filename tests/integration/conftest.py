import pytest

from qs.interface.rest import health, metrics


@pytest.fixture(autouse=True)
def patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is answered late because the machine is busy is no fault of those who are asked."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 30.0)
    monkeypatch.setattr(metrics, "_ASKED_WITHIN_S", 30.0)
