"""What the load knows of one tenant: whom it may enroll, open, answer for, pause or end next."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

_MOST = 4000


class _Named(Protocol):
    @property
    def id(self) -> UUID: ...


T = TypeVar("T", bound=_Named)


@dataclass
class Plan:
    id: UUID
    zone: str


@dataclass
class Testee:
    id: UUID
    zone: str | None
    plans: set[UUID] = field(default_factory=set)
    """Those it was enrolled in by the load."""


@dataclass
class Enrollment:
    id: UUID
    plan_id: UUID
    testee_id: UUID
    paused_at: str | None = None
    resumed_at: str | None = None


@dataclass
class Task:
    """``token`` is that of the newest link, where it is known."""

    id: UUID
    planned_at: datetime
    token: str | None = None


class Pool(Generic[T]):
    """Things to take at random. What is taken is in nobody else's hands; beyond so many the newest are forgotten."""

    def __init__(self) -> None:
        self._things: list[T] = []
        self._places: dict[UUID, int] = {}

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[T]:
        return iter(self._things)

    def __contains__(self, thing_id: object) -> bool:
        return thing_id in self._places

    def put(self, thing: T) -> None:
        if thing.id not in self._places and len(self._things) < _MOST:
            self._places[thing.id] = len(self._things)
            self._things.append(thing)

    def newest(self, count: int) -> list[T]:
        """The last that were put here and are still here, as far as their order is kept."""
        return self._things[-count:]

    def any(self, rng: random.Random) -> T | None:
        """One that stays."""
        return rng.choice(self._things) if self._things else None

    def take(self, rng: random.Random) -> T | None:
        return self.pop(rng.choice(self._things).id) if self._things else None

    def pop(self, thing_id: UUID) -> T | None:
        place = self._places.pop(thing_id, None)
        if place is None:
            return None
        thing, last = self._things[place], self._things.pop()
        if last is not thing:
            self._things[place] = last
            self._places[last.id] = place
        return thing


class Ward:
    """One tenant under load."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.plans: Pool[Plan] = Pool()
        self.testees: Pool[Testee] = Pool()
        self.active: Pool[Enrollment] = Pool()
        self.paused: Pool[Enrollment] = Pool()
        self.pending: Pool[Task] = Pool()
        self.opened: Pool[Task] = Pool()
        self.in_hand: set[UUID] = set()
        """Tasks that a client is moving."""
        self.ended: set[UUID] = set()
        """Tasks the load has seen or brought to an end."""
        self.issued: dict[UUID, int] = {}
        """How many links each task was given, as far as the load gave them."""
        self.feed: list[Mapping[str, Any]] = []
        """The events the feed gave, in its order."""
        self.fed_through = 0
        self.reads_feed = False

    def joined(self, enrollment: Mapping[str, Any], tasks: list[Mapping[str, Any]]) -> None:
        """Notes an enrollment and its tasks as the API shows them."""
        id_, plan_id, testee_id = (UUID(enrollment[name]) for name in ("id", "plan_id", "testee_id"))
        self.active.put(
            Enrollment(id_, plan_id, testee_id, enrollment["paused_at"], enrollment["resumed_at"])
        )
        for task in tasks:
            self.saw(task)

    def saw(self, task: Mapping[str, Any]) -> None:
        """Notes a task as the API shows it, unless a client has it in hand."""
        task_id, status = UUID(task["id"]), task["status"]
        if task_id in self.in_hand or task_id in self.ended:
            return
        known = self.pending.pop(task_id) or self.opened.pop(task_id)
        known = known or Task(task_id, datetime.fromisoformat(task["planned_at"]))
        if status == "pending":
            self.pending.put(known)
        elif status == "opened":
            self.issued.setdefault(task_id, 1)
            self.opened.put(known)
        else:
            self.ended.add(task_id)


def today(now: datetime, zone: str) -> str:
    """The civil date in a zone, as a start date is written."""
    return now.astimezone(ZoneInfo(zone)).date().isoformat()
