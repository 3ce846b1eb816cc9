"""Who is asked."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from qs.domain.kernel.event import Event
from qs.domain.plan.errors import TesteeErasedAlready
from qs.domain.plan.events import TesteeErased


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """An address on one channel, e.g. ``email`` and the mailbox."""

    channel: str
    address: str


@dataclass(frozen=True, slots=True, repr=False)
class Guardian:
    name: str
    contacts: tuple[Contact, ...]


@dataclass(frozen=True, slots=True)
class OptOut:
    """No messages on this channel; ``plan_id`` None means for every plan."""

    channel: str
    plan_id: UUID | None = None


@dataclass(slots=True, eq=False, repr=False)
class Testee:
    """A person who answers; no representation of one names them.

    Name, contacts and guardians are stored as ciphertext only and go with erasure.
    """

    __test__ = False

    id: UUID
    tenant_id: UUID
    created_at: datetime
    updated_at: datetime
    external_id: str | None = None
    name: str | None = None
    timezone: str | None = None
    locale: str | None = None
    contacts: tuple[Contact, ...] = ()
    guardians: tuple[Guardian, ...] = ()
    opt_outs: tuple[OptOut, ...] = ()
    erased_at: datetime | None = None
    version: int = 1
    recorded: list[Event] = field(default_factory=list)

    def require_present(self) -> None:
        """Raises TesteeErasedAlready for a person who was erased."""
        if self.erased_at is not None:
            raise TesteeErasedAlready

    def opt_out(self, wish: OptOut) -> bool:
        """No messages as the wish has it; returns whether this call changed anything."""
        if any(
            each.channel == wish.channel and each.plan_id in (None, wish.plan_id) for each in self.opt_outs
        ):
            return False
        covered = [each for each in self.opt_outs if each.channel == wish.channel and wish.plan_id is None]
        self.opt_outs = (*(each for each in self.opt_outs if each not in covered), wish)
        return True

    def erase(self, now: datetime) -> bool:
        """Forgets who it is and keeps that there was somebody; returns whether this call changed anything."""
        if self.erased_at is not None:
            return False
        self.external_id = self.name = self.locale = None
        self.contacts, self.guardians, self.opt_outs = (), (), ()
        self.erased_at = self.updated_at = now
        self.recorded.append(Event(self.tenant_id, self.id, self.id, now, TesteeErased(self.id)))
        return True
