"""Two parts of a job that are changed by themselves: whether it fires, and who is told how it ended."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, put
from litestar.params import FromPath
from msgspec import Meta

from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.reading import DutyReading
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid, Problem
from qs.interface.rest.bodies import Body
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success
from qs.interface.rest.etags import expected_version
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.duties import refuse_duty
from qs.interface.rest.scheduler.job_dto import JobDetail
from qs.interface.rest.scheduler.permissions import WRITING
from qs.interface.rest.scheduler.writing import patched, require_scopes, told
from qs.settings import Settings


class EnableBody(Body):
    enabled: bool


class NotifyBody(Body):
    """Who is told how executions end; it replaces what was said before."""

    webhook: Annotated[str, Meta(max_length=2000)] | None = None
    email: Annotated[list[Annotated[str, Meta(max_length=255)]], Meta(max_length=20)] | None = None
    on: Annotated[list[Annotated[str, Meta(max_length=20)]], Meta(max_length=10)] | None = None

    def document(self) -> dict[str, Any]:
        given = {"webhook": self.webhook, "email": self.email, "on": self.on}
        return {name: value for name, value in given.items() if value is not None}


EnableRequest = Annotated[EnableBody, a_body_like(enabled=False)]
NotifyRequest = Annotated[NotifyBody, a_body_like(email=["ops@example.org"], on=["failure", "recovery"])]


class JobSwitchController(Controller):
    path = "/scheduler/jobs/{job_id:uuid}"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "authoring": given("job_authoring"),
        "duties": given("duty_reading"),
        "reading": given("job_reading"),
        "settings": given("settings"),
    }

    @put("/enable", opt=WRITING, summary="Switch a job on or off")
    async def enable(
        self,
        job_id: FromPath[UUID],
        data: EnableRequest,
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        settings: Given[Settings],
    ) -> Response[Success[JobDetail]]:
        """Time in which it is off creates no misses. Switching off needs no scope of a kind of target."""
        refuse_duty(duties, job_id)
        tenant = request.user.home_tenant
        if data.enabled:
            definition = (await reading.job(tenant, job_id)).job.definition
            await require_scopes(request.user, [definition], authoring)
        job = await authoring.enable(
            tenant, job_id, data.enabled, version=expected_version(request), actor=request.user.actor
        )
        return await told(request, reading, settings, job)

    @put("/notify", opt=WRITING, summary="Say who is told how a job ends")
    async def notify(
        self,
        job_id: FromPath[UUID],
        data: NotifyRequest,
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        settings: Given[Settings],
    ) -> Response[Success[JobDetail]]:
        refuse_duty(duties, job_id)
        changes = {"notify": data.document()}
        try:
            # The part is taken away first, so that it is replaced as a whole.
            job = await patched(request, job_id, changes, authoring, reading, settings, replaced="notify")
        except Invalid as error:
            raise Invalid(
                Problem(each.pointer.removeprefix("/notify"), each.detail) for each in error.problems
            ) from error
        return await told(request, reading, settings, job)
