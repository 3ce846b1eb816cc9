"""Ends of sending go into one transaction where they come together, and one that cannot be written keeps no other from it."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from qs.application.notification.recording import End, Recording
from qs.domain.notification.delivery import DeliveryStatus, Outcome

TENANT = UUID(int=1)


class Book:
    """A unit of work and its ledger; ``refuses`` is the id of a delivery that cannot be written."""

    def __init__(self, refuses: UUID | None = None) -> None:
        self.refuses = refuses
        self.committed: list[set[UUID]] = []
        self.deliveries = self
        self._written: set[UUID] = set()

    def __call__(self, tenant_id: UUID) -> "Book":
        assert tenant_id == TENANT
        return self

    async def __aenter__(self) -> "Book":
        self._written = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def settle(self, settlements: Any) -> set[UUID]:
        self._written = {each.delivery.id for each in settlements}
        if self.refuses in self._written:
            raise ValueError("no text that PostgreSQL takes")
        return self._written

    async def commit(self, at: str) -> None:
        self.committed.append(self._written)


def ends(count: int) -> list[End]:
    return [_end(uuid4()) for _ in range(count)]


def _end(delivery_id: UUID) -> End:
    delivery = SimpleNamespace(
        id=delivery_id, tenant_id=TENANT, event_id=uuid4(), channel="webhook", attempts=1
    )
    parcel: Any = SimpleNamespace(deliveries=[delivery], message=SimpleNamespace(template_version=0))
    return End(parcel, DeliveryStatus.SENT, None, Outcome.SENT, "200")


def id_of(end: End) -> UUID:
    return end.parcel.deliveries[0].id


async def test_what_ends_together_is_one_transaction() -> None:
    book, given = Book(), ends(5)
    recording: Any = Recording(book, lambda error: False)  # type: ignore[arg-type]
    recording.expect(5)

    await asyncio.gather(*(recording.record(each) for each in given))

    assert book.committed == [{id_of(each) for each in given}]


async def test_one_that_cannot_be_written_keeps_no_other_from_it_and_is_told() -> None:
    given = ends(3)
    book = Book(refuses=id_of(given[1]))
    recording: Any = Recording(book, lambda error: False)  # type: ignore[arg-type]

    outcomes = await asyncio.gather(*(recording.record(each) for each in given), return_exceptions=True)

    assert [isinstance(each, ValueError) for each in outcomes] == [False, True, False]
    assert set().union(*book.committed) == {id_of(given[0]), id_of(given[2])}


async def test_while_the_database_is_away_each_is_told_and_nothing_is_tried_again() -> None:
    given = ends(3)
    book = Book(refuses=id_of(given[0]))
    recording: Any = Recording(book, lambda error: True)  # type: ignore[arg-type]

    outcomes = await asyncio.gather(*(recording.record(each) for each in given), return_exceptions=True)

    assert [type(each) for each in outcomes] == [ValueError] * 3
    assert book.committed == []
    with pytest.raises(ValueError, match="PostgreSQL"):
        await recording.record(given[0])
