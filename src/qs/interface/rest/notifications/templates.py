"""``/templates``: what messages say, and what a tenant would rather have them say."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.notification.template_authoring import TemplateAuthoring
from qs.application.notification.template_previewing import Draft, TemplatePreviewing
from qs.domain.identity.principal import Principal
from qs.domain.notification.templates import Template
from qs.domain.notification.texts import Text
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import etag, expected_version
from qs.interface.rest.notifications.template_dto import (
    ActivationRequest,
    PreviewRequest,
    PreviewView,
    SavedTemplateView,
    TemplateView,
    TextRequest,
    VersionView,
)
from qs.interface.rest.paging import (
    CursorToken,
    Page,
    PageRequest,
    PageSize,
    Slice,
    counted_pages,
    read_cursor,
    write_cursor,
)

READING = {"scope": "templates:read"}
WRITING = {"scope": "templates:write"}


class TemplateController(Controller):
    path = "/templates"
    tags = ("notifications",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "authoring": given("template_authoring"),
        "previewing": given("template_previewing"),
        "paging": counted_pages,
    }

    @get("/", opt=READING, summary="List the texts of messages by key and language")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        authoring: Given[TemplateAuthoring],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[TemplateView]]]:
        """Each with its built-in text, what the tenant wrote in its place, and its variables."""
        found = await authoring.list(request.user.home_tenant)
        items = [TemplateView.of(each) for each in found[paging.offset : paging.offset + paging.page_size]]
        return success(Page(items, len(found), paging.page, paging.page_size))

    @get("/{key:str}/{locale:str}", opt=READING, summary="Show a text")
    async def show(
        self,
        key: FromPath[str],
        locale: FromPath[str],
        request: Request[Principal, Any, Any],
        authoring: Given[TemplateAuthoring],
    ) -> Response[Success[TemplateView]]:
        return _tagged(await authoring.get(request.user.home_tenant, key, locale))

    @get(
        "/{key:str}/{locale:str}/versions", opt=READING, summary="List what was saved of a text, newest first"
    )
    async def versions(
        self,
        key: FromPath[str],
        locale: FromPath[str],
        request: Request[Principal, Any, Any],
        authoring: Given[TemplateAuthoring],
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[VersionView]]]:
        position = read_cursor("templates", cursor, Annotated[int, Meta(ge=1, le=2_147_483_647)])
        found = await authoring.versions(
            request.user.home_tenant,
            key,
            locale,
            before=position[0] if position else None,
            limit=page_size + 1,
        )
        shown = found[:page_size]
        more = write_cursor("templates", shown[-1].version) if len(found) > page_size else None
        return success(Slice([VersionView.of(each) for each in shown], more))

    @put("/{key:str}/{locale:str}", opt=WRITING, summary="Write a text in the place of the built-in one")
    async def save(
        self,
        key: FromPath[str],
        locale: FromPath[str],
        data: TextRequest,
        request: Request[Principal, Any, Any],
        authoring: Given[TemplateAuthoring],
    ) -> Response[Success[SavedTemplateView]]:
        """Each save is a version of its own; messages that are composed from here on use it."""
        saved = await authoring.save(
            request.user.home_tenant,
            key,
            locale,
            Text(data.subject, data.body),
            actor=request.user.actor,
            version=expected_version(request),
        )
        tag = {"ETag": etag(saved.template.version)}
        return success(SavedTemplateView.of_saved(saved), headers=tag)

    @post(
        "/{key:str}/{locale:str}/activate",
        opt=WRITING,
        status_code=200,
        summary="Go back to an earlier version of a text",
    )
    async def activate(
        self,
        key: FromPath[str],
        locale: FromPath[str],
        data: ActivationRequest,
        request: Request[Principal, Any, Any],
        authoring: Given[TemplateAuthoring],
    ) -> Response[Success[TemplateView]]:
        """One that this release cannot send answers 409."""
        template = await authoring.activate(
            request.user.home_tenant,
            key,
            locale,
            data.version,
            actor=request.user.actor,
            version=expected_version(request),
        )
        return _tagged(template)

    @delete("/{key:str}/{locale:str}", opt=WRITING, status_code=200, summary="Go back to the built-in text")
    async def reset(
        self,
        key: FromPath[str],
        locale: FromPath[str],
        request: Request[Principal, Any, Any],
        authoring: Given[TemplateAuthoring],
    ) -> Response[Success[TemplateView]]:
        """What was saved stays and can be activated."""
        template = await authoring.reset(
            request.user.home_tenant,
            key,
            locale,
            actor=request.user.actor,
            version=expected_version(request),
        )
        return _tagged(template)

    @post(
        "/{key:str}/{locale:str}/preview",
        opt=READING,
        status_code=200,
        summary="Show what a message would say",
    )
    async def preview(
        self,
        key: FromPath[str],
        locale: FromPath[str],
        data: PreviewRequest,
        request: Request[Principal, Any, Any],
        previewing: Given[TemplatePreviewing],
    ) -> Response[Success[PreviewView]]:
        """About a task of the tenant or a made-up one. The link leads nowhere, the name is masked; nothing is kept."""
        draft = Draft(data.subject, data.body)
        shown = await previewing.preview(request.user.home_tenant, key, locale, draft, data.task_id)
        return success(PreviewView.of(shown))


def _tagged(template: Template) -> Response[Success[TemplateView]]:
    # What is built in and what is usable change with the release, so a reader's copy is never said to be still good.
    return success(TemplateView.of(template), headers={"ETag": etag(template.version)})
