"""A tenant: the organisation that owns rows, its zone, its quotas, and whom to tell about what goes wrong."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from qs.domain.identity.errors import TenantInvalid, TenantReserved
from qs.domain.kernel import zones
from qs.domain.kernel.errors import Problem
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.kernel.quotas import MOST, Quota

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f<>,;\"]{1,64}@[^@\s\x00-\x1f\x7f<>,;\"]{1,189}")
_APPRISE = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[!-~]{1,2000}", re.ASCII | re.IGNORECASE)
_MOST_CONTACTS = 20
_HIDDEN = "********"


class TenantStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class StaffContact:
    """Where staff are reached: ``email``, or ``apprise`` with an address of that library such as ``slack://…``."""

    channel: str
    address: str

    @property
    def shown(self) -> str:
        """The address as it may be shown: of one that whoever reads it could write to, its kind alone."""
        return f"{self.kind}://{_HIDDEN}" if self.channel == "apprise" else self.address

    @property
    def kind(self) -> str:
        return self.address.partition("://")[0].lower()

    def is_shown_as(self, contact: "StaffContact") -> bool:
        return contact.is_hidden and contact.channel == self.channel and contact.address == self.shown

    @property
    def is_hidden(self) -> bool:
        """Whether it is what an address was shown as, and no address."""
        return self.channel == "apprise" and self.address == self.shown


@dataclass(frozen=True, slots=True)
class Quotas:
    """How much a tenant may have of what; None is any number. The fields are the members of Quota."""

    max_testees: int | None = None
    max_active_plans: int | None = None
    max_jobs: int | None = None


NO_LIMITS = Quotas()


@dataclass(slots=True, eq=False)
class Tenant:
    """``timezone`` is an IANA name. ``version`` is the stored one, which a change must still find."""

    id: UUID
    slug: str
    name: str
    timezone: str
    status: TenantStatus = TenantStatus.ACTIVE
    staff_contacts: tuple[StaffContact, ...] = ()
    quotas: Quotas = NO_LIMITS
    version: int = 1
    _changed: list[str] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def create(
        cls,
        tenant_id: UUID,
        slug: str,
        name: str,
        timezone: str,
        *,
        staff_contacts: Iterable[StaffContact] = (),
        quotas: Quotas = NO_LIMITS,
    ) -> "Tenant":
        """A new, active tenant.

        Raises:
            TenantInvalid: the slug, the name, a contact or a quota is unfit.
            UnknownZone: there is no such zone.
        """
        if not _SLUG.fullmatch(slug):
            detail = "must be 1 to 63 of a-z, 0-9 and -, and begin with a letter or digit"
            raise TenantInvalid([Problem("/slug", detail)])
        zones.zone(timezone)
        return cls(
            tenant_id,
            slug,
            _fit_name(name),
            timezone,
            staff_contacts=_fit_contacts(staff_contacts),
            quotas=_fit_quotas(quotas),
        )

    @property
    def is_active(self) -> bool:
        return self.status is TenantStatus.ACTIVE

    @property
    def changes(self) -> tuple[str, ...]:
        """The names of the fields changed since it was read, each once."""
        return tuple(dict.fromkeys(self._changed))

    def rename(self, name: str) -> None:
        """Raises TenantInvalid for an unfit name."""
        self._set("name", _fit_name(name))

    def move_to(self, timezone: str) -> None:
        """Dates are counted in the new zone from the next civil date on. Raises UnknownZone."""
        zones.zone(timezone)
        self._set("timezone", timezone)

    def notify(self, contacts: Iterable[StaffContact]) -> None:
        """From now on staff are told there, and nowhere else.

        One that is given as it was shown stays as it is. Raises TenantInvalid for an unfit contact.
        """
        self._set("staff_contacts", _fit_contacts(_unhidden(contacts, self.staff_contacts)))

    def limit(self, limits: Mapping[Quota, int | None]) -> None:
        """Sets these quotas and leaves the others. What is there already stays. Raises TenantInvalid."""
        named = {quota.value: most for quota, most in limits.items()}
        self._set("quotas", _fit_quotas(replace(self.quotas, **named)))

    def suspend(self) -> None:
        """Nobody of this tenant gets in any more."""
        self._set("status", TenantStatus.SUSPENDED)

    def reactivate(self) -> None:
        """Accounts of this tenant work again."""
        self._set("status", TenantStatus.ACTIVE)

    def _set(self, name: str, value: object) -> None:
        if self.id == PLATFORM_TENANT:
            raise TenantReserved
        if getattr(self, name) != value:
            setattr(self, name, value)
            self._changed.append(name)


def _fit_name(name: str) -> str:
    stripped = name.strip()
    if not 1 <= len(stripped) <= 200 or not stripped.isprintable():
        raise TenantInvalid([Problem("/name", "must be 1 to 200 printable characters")])
    return stripped


def _unhidden(given: Iterable[StaffContact], known: Iterable[StaffContact]) -> list[StaffContact]:
    """The contacts with those that are hidden replaced by the known ones they stand for, in order."""
    given, known = list(given), list(known)
    met: Counter[StaffContact] = Counter()
    found: list[StaffContact] = []
    for contact in given:
        alike = [each for each in known if each.is_shown_as(contact)]
        found.append(alike[met[contact]] if len(alike) == given.count(contact) else contact)
        met[contact] += 1
    return found


def _fit_contacts(contacts: Iterable[StaffContact]) -> tuple[StaffContact, ...]:
    kept = tuple(dict.fromkeys(contacts))
    problems = [
        Problem(f"/staff_contacts/{index}", problem)
        for index, contact in enumerate(kept)
        if (problem := _contact_problem(contact)) is not None
    ]
    if len(kept) > _MOST_CONTACTS:
        problems.append(Problem("/staff_contacts", f"must be at most {_MOST_CONTACTS}"))
    if problems:
        raise TenantInvalid(problems)
    return kept


def _contact_problem(contact: StaffContact) -> str | None:
    if contact.is_hidden:
        return "is hidden here and which one is meant is not clear; write it in full"
    shape = {"email": _ADDRESS, "apprise": _APPRISE}.get(contact.channel)
    if shape is None or not shape.fullmatch(contact.address):
        return (
            "must be channel email with an address such as name@example.org, or channel apprise with one such as "
            "slack://…"
        )
    return None


def _fit_quotas(quotas: Quotas) -> Quotas:
    problems = [
        Problem(f"/quotas/{name}", f"must be 0 to {MOST}, or null for any number")
        for name, most in asdict(quotas).items()
        if most is not None and not 0 <= most <= MOST
    ]
    if problems:
        raise TenantInvalid(problems)
    return quotas
