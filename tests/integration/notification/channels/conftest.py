from collections.abc import AsyncIterator

import pytest

from qs.infra.http.guarded import GuardedClient


@pytest.fixture
async def client() -> AsyncIterator[GuardedClient]:
    """May call this machine."""
    client = GuardedClient(["127.0.0.0/8"])
    yield client
    await client.aclose()
