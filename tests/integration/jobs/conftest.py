from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from .nodes import JobBooks, Node


@pytest.fixture
def books(engine: AsyncEngine) -> JobBooks:
    return JobBooks(engine)


@pytest.fixture
async def make_node(engine: AsyncEngine) -> AsyncIterator[Callable[..., Node]]:
    """Makes nodes that are closed at the end."""
    nodes: list[Node] = []

    def make(*arguments: Any, **options: Any) -> Node:
        nodes.append(Node(engine, *arguments, **options))
        return nodes[-1]

    yield make
    for node in nodes:
        await node.close()


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    return make_node()
