"""Servers of their own for the tests that break them, and processes made by fork."""

import random
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.proof.servers import Servers
from tests.proof.world import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            if item.get_closest_marker("timeout") is None:
                # Half a dozen processes take turns on however little the machine has to give.
                item.add_marker(pytest.mark.timeout(600))
            item.add_marker(
                pytest.mark.proof if item.get_closest_marker("proof_long") is None else pytest.mark.proof_long
            )


@pytest.fixture(scope="session")
def proof_servers() -> Iterator[Servers]:
    """PostgreSQL, Valkey and a fork server that the tests of this directory share, one test at a time."""
    with Servers() as servers:
        yield servers


@pytest.fixture
def seed() -> int:
    """Another one in every run; a failure tells which."""
    return random.SystemRandom().randrange(1_000_000)


@pytest.fixture
async def world(proof_servers: Servers, seed: int) -> AsyncIterator[World]:
    """A fresh installation in which nothing runs yet."""
    async with World(proof_servers, seed) as world:
        yield world
