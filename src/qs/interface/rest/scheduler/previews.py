"""``/scheduler/preview``: what a trigger would do, before anybody keeps it."""

from datetime import UTC
from typing import Annotated, Any

from litestar import Request, Response, post

from qs.application.scheduler.job_documents import read_job
from qs.application.scheduler.job_reading import JobReading
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.answers import BY_LANGUAGE, language_of
from qs.interface.rest.scheduler.job_body import PreviewBody
from qs.interface.rest.scheduler.job_dto import PreviewView
from qs.interface.rest.scheduler.permissions import READING
from qs.settings import Settings

PreviewRequest = Annotated[
    PreviewBody, a_body_like(type="cron", schedule="30 2 * * *", timezone="America/New_York", count=5)
]


@post(
    "/scheduler/preview",
    opt=READING,
    status_code=200,
    tags=["scheduler"],
    summary="Preview a trigger",
    dependencies={"reading": given("job_reading"), "settings": given("settings")},
)
async def preview(
    data: PreviewRequest,
    request: Request[Principal, Any, Any],
    reading: Given[JobReading],
    settings: Given[Settings],
) -> Response[Success[PreviewView]]:
    """The trigger in words, its next slots and what may not be meant; what daylight saving time does to them is marked."""
    # A name makes it a whole document, so that there is one way to read a trigger.
    trigger = read_job({"name": "preview", **data.trigger()}).trigger
    previewed = await reading.preview(
        request.user.home_tenant,
        trigger,
        after=None if data.after is None else data.after.astimezone(UTC),
        count=data.count,
        language=language_of(request, settings),
    )
    return success(PreviewView.of(previewed, trigger.max_runs), headers=BY_LANGUAGE)
