"""Every ciphertext under the current key, so that an older key can leave the ring."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.kernel.ids import PLATFORM_TENANT

UNREADABLE = "?"
"""Stands for the key of a row that does not begin as a ciphertext does."""

Place = tuple[Any, ...]


class Batch(NamedTuple):
    """What one transaction did. ``after`` is where the next one goes on, None when nothing is left beyond it."""

    renewed: int
    unreadable: Sequence[str]
    after: Place | None


class UnderKeys(Protocol):
    """Rows that stand under a key each, and are worth nothing without it."""

    name: str

    async def count(self, tenant_id: UUID) -> Mapping[str, int]:
        """How many of that tenant's rows there are, by the id of their key."""
        ...


class Ciphertexts(UnderKeys, Protocol):
    """A column of ciphertexts."""

    async def renew(self, tenant_id: UUID, after: Place | None, size: int) -> Batch:
        """Encrypts the next ``size`` rows that are not under the current key anew, in one transaction.

        1. The rows are locked, in the order of their key, and read as whoever wrote them last left them.
        2. Each is opened and encrypted anew; one that no key opens stays as it is and is told by its id.
        3. They are written and the locks let go together, so that nobody who writes meanwhile is overwritten.
        """
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How many rows of each kind stand under which key, of ``ring``, the current key first, or of none of it."""

    ring: tuple[str, ...]
    rows: Mapping[str, Mapping[str, int]]

    def left(self, name: str) -> Mapping[str, int]:
        """The rows of a kind under any key but the current one."""
        return {key: count for key, count in self.rows[name].items() if key != self.ring[0]}


@dataclass(slots=True)
class Rotated:
    """What a rotation did, by kind, and what is left. ``unreadable`` holds the ids of rows that no key opens."""

    renewed: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, list[str]] = field(default_factory=dict)
    standing: Standing = Standing((), {})

    @property
    def is_complete(self) -> bool:
        return not any(self.standing.left(name) for name in self.standing.rows)


class KeyRotation:
    """May be killed anywhere and begun again, and run beside anything that writes: what is done stays done."""

    def __init__(
        self,
        ciphertexts: Sequence[Ciphertexts],
        links: UnderKeys,
        tenants: Callable[[], Awaitable[Sequence[UUID]]],
        unit_of_work: Callable[[UUID], UnitOfWork],
        ring: tuple[str, ...],
        *,
        batch: int = 500,
    ) -> None:
        """``tenants`` gives the ids of all tenants, the platform's among them."""
        self._ciphertexts = ciphertexts
        self._links = links
        self._tenants = tenants
        self._unit_of_work = unit_of_work
        self._ring = ring
        self._batch = batch

    async def standing(self) -> Standing:
        """Of every ciphertext; nothing is changed."""
        tenants = await self._tenants()
        rows = {each.name: await _counted(each, tenants) for each in self._ciphertexts}
        return Standing(self._ring, rows)

    async def links(self) -> Standing:
        """Of the entry links of open tasks: these are derived by a key and cannot be made anew behind their holders' backs."""
        return Standing(self._ring, {self._links.name: await _counted(self._links, await self._tenants())})

    async def rotate(self, *, actor: str, progress: Callable[[str, int], None]) -> Rotated:
        """Encrypts anew whatever is not under the current key; ``progress`` is told the kind and how many rows more."""
        done = Rotated()
        for each in self._ciphertexts:
            for tenant_id in await self._tenants():
                await self._renew(each, tenant_id, done, progress)
        done.standing = await self.standing()
        async with self._unit_of_work(PLATFORM_TENANT) as uow:
            detail = {
                "key": self._ring[0],
                "rows": done.renewed.total(),
                "unreadable": sum(map(len, done.unreadable.values())),
            }
            await uow.audit.add("keys.rotated", "keyring", None, actor=actor, detail=detail)
            await uow.commit("key_rotation.end")
        return done

    async def _renew(
        self, each: Ciphertexts, tenant_id: UUID, done: Rotated, progress: Callable[[str, int], None]
    ) -> None:
        after: Place | None = None
        while True:
            batch = await each.renew(tenant_id, after, self._batch)
            done.renewed[each.name] += batch.renewed
            if batch.unreadable:
                done.unreadable.setdefault(each.name, []).extend(batch.unreadable)
            progress(each.name, batch.renewed)
            after = batch.after
            if after is None:
                return


async def _counted(each: UnderKeys, tenants: Sequence[UUID]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for tenant_id in tenants:
        total.update(await each.count(tenant_id))
    return dict(total)
