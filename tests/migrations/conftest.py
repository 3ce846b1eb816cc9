"""Databases in which nothing is yet."""

import itertools
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest

from qs.infra.embedded import Lease
from tests.support import databases

_numbers = itertools.count(1)


@pytest.fixture
async def empty_database(servers: Lease) -> AsyncIterator[str]:
    """The address of one that goes with the test."""
    name = f"m{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield databases.address(servers.database_url, name)
        await databases.drop(servers.database_url, name)
    finally:
        await connection.close()
