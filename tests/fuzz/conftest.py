"""The real service, as its own process on its own servers, and what its OpenAPI document says of it."""

from collections.abc import Iterator

import httpx
import pytest

from qs.application.kernel.limiting import KINDS
from tests.support.service import running_service

_PASSWORD = "correct horse battery staple of the fuzzer"


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The address of a running service."""
    # Whoever sends generated requests calls more often than anybody may.
    unlimited = {f"QS_LIMITS__{kind.upper()}": "0" for kind in KINDS}
    with running_service("fuzzer", _PASSWORD, unlimited) as address:
        yield address


@pytest.fixture(scope="session")
def token(service: str) -> str:
    """An administrator's access token."""
    answer = httpx.post(
        f"{service}/api/v1/auth/login", json={"username": "fuzzer", "password": _PASSWORD}, timeout=30
    )
    answer.raise_for_status()
    access_token: str = answer.json()["access_token"]
    return access_token
