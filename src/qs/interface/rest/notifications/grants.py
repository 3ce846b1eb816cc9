"""``/testees/{id}/grants``: how often people agreed to be written to, on channels that count it."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from msgspec import Meta, Struct

from qs.application.notification.granting import GrantKeeping
from qs.application.plan.reading import PlanReading
from qs.domain.identity.principal import Principal
from qs.domain.notification.granting import Grant
from qs.interface.rest.bodies import Body
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.plan.references import TesteePath, testee_named

GuardianNumber = Annotated[
    int, Meta(ge=0, le=9, description="Which of the testee's guardians agreed, from 0; null for the testee.")
]


class GrantBody(Body):
    """What somebody agreed to, as the mini-program hears it."""

    channel: Annotated[str, Meta(min_length=1, max_length=64, examples=["wechat"])]
    template: Annotated[str, Meta(min_length=1, max_length=64, description="The provider's id of it.")]
    count: Annotated[int, Meta(ge=1, le=100, description="To how many messages.")] = 1
    guardian: GuardianNumber | None = None


class GrantView(Struct):
    """Each message uses one. `left` is how many may be sent."""

    recipient: Annotated[str, Meta(description="`testee:…` or `guardian:…:n`.")]
    channel: Annotated[str, Meta(examples=["wechat"])]
    template: str
    given: int
    used: int
    left: int

    @classmethod
    def of(cls, grant: Grant) -> "GrantView":
        return cls(grant.recipient, grant.channel, grant.template, grant.given, grant.used, grant.left)


GrantRequest = Annotated[
    GrantBody,
    a_body_like(channel="wechat", template="sBDIJVpIZJr7WIuMrxZyhkTxPiTJ0dyMbg4bE4jVmQA", count=1),
]


class GrantController(Controller):
    path = "/testees/{testee_id:str}/grants"
    tags = ("notifications",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "keeping": given("grant_keeping"),
        "testees": given("plan_reading"),
    }

    @post(
        "/",
        opt={"scope": "testees:write", "idempotent": True},
        status_code=200,
        summary="Note that somebody agreed to messages",
    )
    async def add(
        self,
        testee_id: TesteePath,
        data: GrantRequest,
        request: Request[Principal, Any, Any],
        keeping: Given[GrantKeeping],
        testees: Given[PlanReading],
    ) -> Response[Success[GrantView]]:
        """Adds to what is there. Call it with an `Idempotency-Key`, lest a repetition count twice."""
        tenant_id = request.user.home_tenant
        testee = await testees.testee(tenant_id, testee_named(testee_id))
        testee.require_present()
        grant = await keeping.add(
            tenant_id,
            testee.id,
            data.channel,
            data.template,
            data.count,
            guardian=data.guardian,
            actor=request.user.actor,
        )
        return success(GrantView.of(grant))

    @get("/", opt={"scope": "testees:read"}, summary="List what somebody agreed to")
    async def index(
        self,
        testee_id: TesteePath,
        request: Request[Principal, Any, Any],
        keeping: Given[GrantKeeping],
        testees: Given[PlanReading],
    ) -> Response[Success[list[GrantView]]]:
        """The testee's and their guardians'."""
        tenant_id = request.user.home_tenant
        testee = await testees.testee(tenant_id, testee_named(testee_id))
        return success([GrantView.of(each) for each in await keeping.of_testee(tenant_id, testee.id)])
