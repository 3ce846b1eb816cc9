import pytest
from httpx import AsyncClient

from tests.integration.plan_http.conftest import app, caller, platform, stranger

__all__ = ["app", "caller", "platform", "stranger"]


@pytest.fixture
async def api_of_the_platform(stranger: AsyncClient, platform: dict[str, str]) -> AsyncClient:
    """A client that does the duties of every tenant."""
    stranger.headers.update(platform)
    return stranger
