"""How tenants are written over HTTP."""

from collections.abc import Iterable
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from qs.application.identity.administering_tenants import Newcomer, TenantChange
from qs.domain.identity.credentials import LONGEST_USERNAME
from qs.domain.identity.tenant import Quotas, StaffContact, Tenant, TenantStatus
from qs.domain.kernel.quotas import MOST, Quota
from qs.interface.rest.bodies import Body, Name, ZoneName
from qs.interface.rest.identity.fields import NewPassword
from qs.interface.rest.plan.examples import a_body_like

Slug = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9][a-z0-9-]*$(?!\n)",
        extra={"expected": "small letters, digits and -, and begin with a letter or digit"},
    ),
]
Most = Annotated[int, Meta(ge=0, le=MOST, description="Null is any number.")]


class StaffContactBody(Body):
    """An `apprise` address is one of that library; its kind must be among `notification.apprise.schemas`."""

    channel: Literal["email", "apprise"]
    address: Annotated[str, Meta(min_length=3, max_length=2048, examples=["ward@clinic.example.org"])]


StaffContacts = Annotated[list[StaffContactBody], Meta(max_length=20)]


class QuotasBody(Body):
    """How much the tenant may have. What is left out stays as it is, for a new tenant without a limit."""

    max_testees: Most | UnsetType | None = UNSET
    max_active_plans: Most | UnsetType | None = UNSET
    max_jobs: Most | UnsetType | None = UNSET

    def given(self) -> dict[Quota, int | None]:
        return {quota: most for quota in Quota if (most := getattr(self, quota.value)) is not UNSET}


class AdministratorBody(Body):
    """Who may log in to the new tenant and administer it, where people log in by password; names are unique over all tenants."""

    username: Annotated[str, Meta(min_length=1, max_length=LONGEST_USERNAME)]
    password: NewPassword


class TenantBody(Body):
    """A new tenant, which is active at once."""

    slug: Slug
    name: Name
    timezone: ZoneName
    staff_contacts: StaffContacts = field(default_factory=list)
    quotas: QuotasBody | None = None
    administrator: AdministratorBody | None = None

    def newcomer(self) -> Newcomer | None:
        who = self.administrator
        return None if who is None else Newcomer(who.username, who.password)


class TenantPatch(Body):
    """What shall be true of the tenant; what is left out stays as it is."""

    name: Name | UnsetType = UNSET
    timezone: ZoneName | UnsetType = UNSET
    staff_contacts: StaffContacts | UnsetType = UNSET
    status: Literal["active", "suspended"] | UnsetType = UNSET
    quotas: QuotasBody | UnsetType = UNSET

    def is_for_operators(self) -> bool:
        """Whether it says something that a tenant's own administrators cannot."""
        return self.status is not UNSET or self.quotas is not UNSET

    def suspends(self) -> bool:
        return self.status == "suspended"

    def change(self) -> TenantChange:
        return TenantChange(
            name=self.name or None,
            timezone=self.timezone or None,
            staff_contacts=(
                None if isinstance(self.staff_contacts, UnsetType) else contacts_in(self.staff_contacts)
            ),
            status=None if isinstance(self.status, UnsetType) else TenantStatus(self.status),
            quotas=None if isinstance(self.quotas, UnsetType) else self.quotas.given(),
        )


TenantRequest = Annotated[
    TenantBody,
    a_body_like(
        slug="clinic",
        name="Clinic",
        timezone="Asia/Shanghai",
        staff_contacts=[{"channel": "email", "address": "ward@clinic.example.org"}],
        quotas={"max_testees": 5000},
    ),
]
TenantPatchRequest = Annotated[
    TenantPatch, a_body_like(name="Clinic and day hospital", quotas={"max_testees": 8000})
]


class StaffContactView(Struct):
    """Of an `apprise` address the kind alone is shown; sent back like that, the address stays as it is."""

    channel: str
    address: str


class QuotasView(Struct):
    """Null is any number."""

    max_testees: int | None
    max_active_plans: int | None
    max_jobs: int | None

    @classmethod
    def of(cls, quotas: Quotas) -> "QuotasView":
        return msgspec.convert(quotas, cls, from_attributes=True)


class TenantSummary(Struct, kw_only=True):
    """A tenant as the list has it."""

    id: UUID
    slug: str
    name: str
    timezone: str
    status: str
    quotas: QuotasView

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantSummary":
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            timezone=tenant.timezone,
            status=tenant.status.value,
            quotas=QuotasView.of(tenant.quotas),
        )


class TenantView(Struct, kw_only=True):
    """`timezone` is that of the tenant's dates; `staff_contacts` are told what goes wrong."""

    id: UUID
    slug: str
    name: str
    timezone: str
    status: str
    staff_contacts: list[StaffContactView]
    quotas: QuotasView

    @classmethod
    def of(cls, tenant: Tenant) -> "TenantView":
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            timezone=tenant.timezone,
            status=tenant.status.value,
            staff_contacts=[StaffContactView(each.channel, each.shown) for each in tenant.staff_contacts],
            quotas=QuotasView.of(tenant.quotas),
        )


def contacts_in(bodies: Iterable[StaffContactBody]) -> list[StaffContact]:
    return [StaffContact(each.channel, each.address) for each in bodies]


def quotas_in(body: QuotasBody | None) -> Quotas:
    return Quotas(**{quota.value: most for quota, most in body.given().items()}) if body else Quotas()
