"""Handlers of every kind the kernel serves, on real tables: a thing is a row of ``scale``."""

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID, uuid4

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct, field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.domain.kernel.errors import Absent
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.interface.rest.bodies import BULK_BODY_BYTES, Body, Code, Count, Day, Instant, Name
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import check_if_match, versioned
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

KNOWN = UUID("00000000-0000-7000-8000-00000000000a")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(Body):
    seq: Annotated[int, Meta(ge=1, le=100)]


class ThingBody(Body):
    code: Code
    title: Name = "untitled"
    colour: Colour = Colour.RED
    owner_id: UUID | None = None
    at: Instant | None = None
    day: Day | None = None
    count: Count = 0
    parts: Annotated[list[Part], Meta(max_length=3)] = field(default_factory=list)
    anything: dict[str, Any] = field(default_factory=dict)


class ThingView(Struct):
    id: UUID
    code: str


class Rows(Body):
    rows: list[str]


class ReasonBody(Body):
    reason: Name


class ThingAbsent(Absent):
    code = "thing.absent"
    sentence = "there is no such thing; check the id"


class Gate:
    """Lets a test hold a request inside its handler."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()


class Things(Controller):
    path = "/things"
    tags = ("things",)
    dependencies = {"engine": given("engine"), "paging": counted_pages}  # noqa: RUF012

    @post("/", opt={"scope": "scales:write", "idempotent": True})
    async def create(
        self, data: JSONBody[ThingBody], request: Request[Any, Any, Any], engine: Given[AsyncEngine]
    ) -> Response[Success[ThingView]]:
        """Creates a thing."""
        thing = await insert(engine, data.code)
        return success(thing, 201, {"Location": f"/api/v1/things/{thing.id}"})

    @post("/secrets", opt={"scope": "scales:write", "idempotent": True, "secret": True})
    async def create_secret(
        self, data: JSONBody[ThingBody], engine: Given[AsyncEngine]
    ) -> Response[Success[str]]:
        await insert(engine, data.code)
        return success("hunter2", 201)

    @post("/slow", opt={"scope": "scales:write", "idempotent": True})
    async def create_slowly(
        self, data: JSONBody[ThingBody], request: Request[Any, Any, Any], engine: Given[AsyncEngine]
    ) -> Response[Success[ThingView]]:
        gate: Gate = request.app.state.gate
        gate.entered.set()
        await gate.open.wait()
        return success(await insert(engine, data.code), 201)

    @post("/broken", opt={"scope": "scales:write", "idempotent": True})
    async def create_and_break(self, data: JSONBody[ThingBody], engine: Given[AsyncEngine]) -> None:
        await insert(engine, data.code)
        raise RuntimeError("after the commit")

    @post("/refused", opt={"scope": "scales:write", "idempotent": True})
    async def refuse(self, data: JSONBody[ThingBody]) -> None:
        raise ThingAbsent

    @post("/bulk", opt={"scope": "scales:write"}, request_max_body_size=BULK_BODY_BYTES, status_code=200)
    async def bulk(self, data: JSONBody[Rows]) -> Response[Success[int]]:
        return success(len(data.rows))

    @post("/csv", opt={"scope": "scales:write", "consumes": ("text/csv",)}, status_code=200)
    async def csv(self, request: Request[Any, Any, Any]) -> Response[Success[int]]:
        return success((await request.body()).count(b"\n"))

    @post("/sweep", opt={"scope": "tasks:schedule"}, status_code=200)
    async def sweep(
        self,
        before: FromQuery[Instant | None] = None,
        limit: FromQuery[Annotated[int, Meta(ge=1, le=10_000)]] = 10,
        in_background: Annotated[bool, QueryParameter(name="async")] = False,
    ) -> Response[Success[dict[str, Any]]]:
        return success({"before": before, "limit": limit, "async": in_background})

    @post("/reason", opt={"scope": "scales:write"}, status_code=200)
    async def reason(self, data: JSONBody[ReasonBody | None] = None) -> Response[Success[str | None]]:
        return success(data.reason if data else None)

    @get("/", opt={"scope": "scales:read"})
    async def page(
        self,
        paging: Given[PageRequest],
        colour: FromQuery[list[Colour] | None] = None,
        owner_id: FromQuery[UUID | None] = None,
        day: FromQuery[Day | None] = None,
    ) -> Response[Success[Page[ThingView]]]:
        return success(Page([], paging.offset, paging.page, paging.page_size))

    @get("/history", opt={"scope": "scales:read"})
    async def history(
        self, cursor: FromQuery[CursorToken | None] = None, page_size: FromQuery[PageSize] = 2
    ) -> Response[Success[Slice[int]]]:
        (after,) = read_cursor("history", cursor, int) or (0,)
        items = list(range(after + 1, min(after + page_size, 5) + 1))
        return success(Slice(items, write_cursor("history", items[-1]) if items[-1] < 5 else None))

    @get("/required", opt={"scope": "scales:read"})
    async def required(self, task_id: FromQuery[UUID]) -> Response[Success[UUID]]:
        return success(task_id)

    @get("/loose", opt={"public": True, "loose_query": True})
    async def loose(self, token: FromQuery[str | None] = None) -> Response[Success[str | None]]:
        return success(token)

    @get("/sql", opt={"scope": "scales:read"})
    async def sql(
        self, engine: Given[AsyncEngine], statement: FromQuery[str], value: FromQuery[str] = ""
    ) -> Response[Success[str]]:
        async with engine.connect() as connection:
            found = await connection.execute(
                text(statement), {"value": value} if ":value" in statement else {}
            )
            return success(str(found.scalar()))

    @get("/bug", opt={"scope": "scales:read"})
    async def bug(self) -> Response[Success[str]]:
        raise RuntimeError("an accident in postgresql://qs:hunter2@db.internal/qs")

    @get("/stream", opt={"scope": "scales:read"}, media_type="text/plain")
    async def stream(self) -> Stream:
        async def forever() -> AsyncIterator[bytes]:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.01)

        return Stream(forever(), media_type="text/plain")

    @get("/{thing_id:uuid}", opt={"scope": "scales:read"})
    async def show(
        self, thing_id: FromPath[UUID], request: Request[Any, Any, Any]
    ) -> Response[Success[ThingView]]:
        if thing_id != KNOWN:
            raise ThingAbsent
        return versioned(request, ThingView(thing_id, "known"), 3)

    @patch("/{thing_id:uuid}", opt={"scope": "scales:write"})
    async def edit(
        self, thing_id: FromPath[UUID], data: JSONBody[ReasonBody], request: Request[Any, Any, Any]
    ) -> Response[Success[ThingView]]:
        check_if_match(request, 3)
        return versioned(request, ThingView(thing_id, data.reason), 4)

    @delete("/{thing_id:uuid}", opt={"scope": "scales:write"}, status_code=200)
    async def remove(self, thing_id: FromPath[UUID]) -> Response[Success[None]]:
        return success(None)

    @get("/by-code/{code:str}", opt={"scope": "scales:read"})
    async def by_code(self, code: FromPath[str], engine: Given[AsyncEngine]) -> Response[Success[str]]:
        async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
            found = await uow.connection.scalar(
                text("SELECT code FROM scale WHERE code = :code"), {"code": code}
            )
        if found is None:
            raise ThingAbsent
        return success(found)


async def insert(engine: AsyncEngine, code: str) -> ThingView:
    """A new row at every call, whatever the code: what must not happen twice."""
    thing = ThingView(uuid4(), code)
    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
        await uow.connection.execute(
            text("INSERT INTO scale (tenant_id, code, title) VALUES (:tenant, :code, '{}')"),
            {"tenant": DEFAULT_TENANT, "code": f"{code}:{thing.id}"},
        )
        await uow.commit("test")
    return thing


async def count(engine: AsyncEngine, code: str) -> int:
    """How many things were created with that code."""
    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
        found: int = await uow.connection.scalar(
            text("SELECT count(*) FROM scale WHERE code LIKE :code || ':%'"), {"code": code}
        )
        return found
