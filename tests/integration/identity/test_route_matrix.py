"""Every operation there is, every role and every kind of id: what is another tenant's is not there, for whoever asks.

Once as it is served, once without the policies of the database, so that the statements stand alone.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import pytest
from dependency_injector import providers
from httpx import AsyncClient, Response
from sqlalchemy import event

from qs.container import Container
from qs.domain.identity.scopes import ROLES, SCOPES, scopes_of
from qs.infra.postgres.engine import create_engine
from tests.integration.identity.furnishing import Furnished, furnish, rows_of
from tests.integration.identity.operations import Operation, all_operations
from tests.integration.jobs_http.steps import HOURLY
from tests.integration.plan.test_tenants_apart import without_tenant_filter
from tests.integration.plan_http.steps import WEEKLY, soon
from tests.support.http import app_over, serving

OPERATIONS = all_operations()
NOBODY: Mapping[str, str] = {}
MALFORMED = "no-such-thing"
# A name that is free for everybody is taken, whoever else has it.
CREATE_UNDER_ANY_NAME = frozenset({"PUT /api/v1/secrets/{name}"})
# Of those who hold the scope, the default tenant's alone may do it.
FOR_OPERATORS = frozenset(
    {
        "POST /api/v1/scheduler/nodes/{node_id}/drain",
        "POST /api/v1/admin/tenants",
        "POST /api/v1/retention",
    }
)
# ECron's clients send the id that they have, and it names nothing.
IDS_THAT_ARE_IGNORED = frozenset({"POST /api/ecron-management/v1/job"})
COUNTED = ("plan", "testee", "scale")
# Path parameters that mean the same to every tenant, by one of their values.
EVERYBODYS = {"key": "task_opened", "locale": "en"}


class World(NamedTuple):
    """``ours`` asks for what is ``theirs``; ``client`` has no token of its own."""

    client: AsyncClient
    ours: Furnished
    theirs: Furnished


@pytest.fixture(params=["as served", "without policies"])
async def world(
    request: pytest.FixtureRequest, container: Container, database_url: str, truth: asyncpg.Connection
) -> AsyncIterator[World]:
    engine = create_engine(database_url, role="qs_app" if request.param == "as served" else None)
    container.engine.override(providers.Object(engine))
    async with serving(app_over(container)) as client:
        ours = await furnish(client, container, truth, "ourclinic")
        theirs = await furnish(client, container, truth, "theirward")
        yield World(client, ours, theirs)


def operations(*, with_ids: bool) -> Iterator[Operation]:
    """Those that create whatever is named come last, since there is something of that name afterwards."""
    found = [each for each in OPERATIONS if bool(each.parameters) is with_ids]
    yield from sorted(found, key=lambda each: each.name in CREATE_UNDER_ANY_NAME)


def test_what_every_path_parameter_names_is_known() -> None:
    assert len(OPERATIONS) > 100
    unknown = []
    for operation in operations(with_ids=True):
        for parameter in operation.parameters:
            try:
                operation.thing(parameter)
            except LookupError as error:
                unknown.append(str(error))

    assert unknown == []


def test_every_operation_with_an_id_and_a_body_has_an_example_of_one() -> None:
    assert len([each for each in operations(with_ids=True) if each.body is not None]) > 10


async def test_a_foreign_id_answers_as_one_that_is_not_there_to_every_role(
    world: World, truth: asyncpg.Connection
) -> None:
    before = await rows_of(truth, world.theirs)
    wrong: list[str] = []
    asked = 0
    for operation in operations(with_ids=True):
        for varied in _variations(operation):
            for role in (*ROLES, "nobody"):
                answers = {
                    kind: await ask(world, operation, role, _ids(world, operation, varied, kind))
                    for kind in ("foreign", "absent", "malformed")
                }
                asked += len(answers)
                wrong += _complaints(world, operation, role, answers)

    assert wrong == [], "\n".join(wrong)
    assert asked > 1000
    assert await rows_of(truth, world.theirs) == before


async def test_lists_hold_nothing_of_another_tenant_and_neither_does_what_is_found_by_a_foreign_id(
    world: World,
) -> None:
    wrong: list[str] = []
    own = 0
    for operation in OPERATIONS:
        if operation.method != "GET" or operation.is_public:
            continue
        ids = {
            name: world.ours.things.get(operation.thing(name) or "", uuid4()) for name in operation.parameters
        }
        answer = await ask(world, operation, "admin", ids)
        own += world.ours.mark in answer.text
        wrong += [f"{operation.name} shows {leak}" for leak in leaks(world, answer)]
        if answer.status_code >= 500 or answer.status_code in (401, 403):
            wrong.append(f"{operation.name} answers {answer.status_code}: {answer.text[:200]}")
        for name, thing in operation.ids_in_query.items():
            foreign = await ask(world, operation, "admin", ids, query={name: world.theirs.things[thing]})
            absent = await ask(world, operation, "admin", ids, query={name: str(uuid4())})
            wrong += differences(f"{operation.name}?{name}", foreign, absent)
            wrong += [f"{operation.name}?{name} shows {leak}" for leak in leaks(world, foreign)]
    daily = named("GET /api/v1/statistics/daily")
    for kind in COUNTED:
        keys = [{"dimension": kind, "key": key} for key in (world.theirs.things[kind], str(uuid4()))]
        foreign, absent = [await ask(world, daily, "admin", {}, query=query) for query in keys]
        wrong += differences(f"{daily.name} of a {kind}", foreign, absent)

    assert wrong == [], "\n".join(wrong)
    # Of what these are to hide there is something of ours to be seen.
    assert own > 15


async def test_a_foreign_id_in_a_body_answers_as_one_that_is_not_there(
    world: World, truth: asyncpg.Connection
) -> None:
    before = await rows_of(truth, world.theirs)
    wrong: list[str] = []
    asked = 0
    for operation in operations(with_ids=False):
        for name, thing in operation.ids_in_body.items():
            if operation.name in IDS_THAT_ARE_IGNORED:
                continue
            ours = {other: world.ours.things[each] for other, each in operation.ids_in_body.items()}
            foreign, absent = [
                await ask(world, operation, "admin", {}, body=operation.body | ours | {name: found})
                for found in (world.theirs.things[thing], str(uuid4()))
            ]
            asked += 1
            wrong += differences(f"{operation.name} {name}", foreign, absent)
            wrong += [f"{operation.name} {name} shows {leak}" for leak in leaks(world, foreign)]

    assert wrong == [], "\n".join(wrong)
    assert asked >= 3
    assert await rows_of(truth, world.theirs) == before


NESTED: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("POST /api/v1/plans", "scale", lambda name: WEEKLY | {"scale_code": name}),
    ("POST /api/v1/testees", "plan", lambda name: {"opt_outs": [{"channel": "email", "plan_id": name}]}),
    (
        "PUT /api/v1/testees/{testee_id}",
        "plan",
        lambda name: {"opt_outs": [{"channel": "email", "plan_id": name}]},
    ),
    (
        "POST /api/v1/plans/{plan_id}/enrollments/bulk",
        "testee",
        lambda name: {"rows": [{"testee_id": name, "start_date": soon()}]},
    ),
    ("POST /api/v1/templates/{key}/{locale}/preview", "task", lambda name: {"task_id": name}),
    ("POST /api/v1/scheduler/jobs", "calendar", lambda name: HOURLY | {"calendar": name}),
    (
        "PUT /api/ecron-management/v1/jobstatus/{ids}",
        "execution",
        lambda name: [{"execute_id": name, "job_status": "success"}],
    ),
)


async def test_what_is_named_inside_a_body_is_looked_for_in_ones_own_tenant(
    world: World, truth: asyncpg.Connection
) -> None:
    before = await rows_of(truth, world.theirs)
    for name, thing, written in NESTED:
        operation = named(name)
        ids = {
            each: EVERYBODYS.get(each) or world.ours.things[str(operation.thing(each))]
            for each in operation.parameters
        }
        answers = []
        for value in (world.theirs.things[thing], str(uuid4())):
            answer = await ask(world, operation, "admin", ids, body=written(value))
            answer.extensions["asked"].append(value)
            answers.append((answer.status_code, *told(answer)))
            assert leaks(world, answer) == [], name

        assert answers[0] == answers[1], name
        assert answers[0][0] in (404, 422) or "absent" in str(answers[0]), name
    assert await rows_of(truth, world.theirs) == before


async def test_what_is_hidden_from_others_is_there_for_its_own_tenant(world: World) -> None:
    wrong = []
    for operation in operations(with_ids=True):
        things = {name: operation.thing(name) for name in operation.parameters}
        if operation.method != "GET" or None in things.values():
            continue
        ids = {name: world.theirs.things[str(thing)] for name, thing in things.items()}
        answer = await ask(world, operation, "admin", ids, of=world.theirs)
        if answer.status_code != 200:
            wrong.append(f"{operation.name} answers {answer.status_code}: {answer.text[:200]}")

    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("world", ["without policies"], indirect=True)
async def test_a_statement_that_forgets_its_tenant_is_noticed(world: World, container: Container) -> None:
    plans, plan = named("GET /api/v1/plans"), named("GET /api/v1/plans/{plan_id}")
    one = frozenset({"plan_id"})

    async def noticed() -> list[str]:
        foreign, absent = [
            await ask(world, plan, "viewer", _ids(world, plan, one, kind)) for kind in ("foreign", "absent")
        ]
        shown = leaks(world, await ask(world, plans, "viewer", {})) + leaks(world, foreign)
        return [*shown, *differences(plan.name, foreign, absent)]

    assert await noticed() == []
    event.listen(container.engine().sync_engine, "before_cursor_execute", _forget_tenant, retval=True)
    assert len(await noticed()) > 3


def _forget_tenant(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
    return without_tenant_filter(statement), parameters


def named(name: str) -> Operation:
    return next(each for each in OPERATIONS if each.name == name)


def _variations(operation: Operation) -> Iterator[frozenset[str]]:
    """Which parameters are not ours: each by itself, and all at once."""
    names = operation.parameters
    yield frozenset(names)
    if len(names) > 1:
        yield from (frozenset({name}) for name in names)


def _ids(world: World, operation: Operation, varied: frozenset[str], kind: str) -> dict[str, str]:
    ids = {}
    for name in operation.parameters:
        thing = operation.thing(name)
        if name not in varied and thing is not None:
            ids[name] = world.ours.things[thing]
        elif kind == "malformed":
            ids[name] = MALFORMED
        elif kind == "foreign" and thing is not None:
            ids[name] = world.theirs.things[thing]
        else:
            ids[name] = str(uuid4())
    return ids


async def ask(
    world: World,
    operation: Operation,
    role: str,
    ids: Mapping[str, Any],
    *,
    of: Furnished | None = None,
    query: Mapping[str, str] | None = None,
    body: Any = None,
) -> Response:
    headers = NOBODY if role == "nobody" else (of or world.ours).callers[role]
    sent = operation.body if body is None else body
    answer = await world.client.request(
        operation.method,
        operation.path.format(**ids),
        params={**operation.query, **(query or {})},
        headers=dict(headers),
        **({} if sent is None else {"json": sent}),
    )
    answer.extensions["asked"] = [*map(str, ids.values()), *(query or {}).values()]
    if isinstance(body, dict):
        answer.extensions["asked"] += [value for value in body.values() if isinstance(value, str)]
    return answer


def _complaints(
    world: World, operation: Operation, role: str, answers: Mapping[str, Response]
) -> Iterator[str]:
    where = f"{operation.name} as {role}"
    for kind in ("foreign", "malformed"):
        yield from differences(f"{where}, {kind}", answers[kind], answers["absent"])
    for answer in answers.values():
        yield from (f"{where} shows {leak}" for leak in leaks(world, answer))
    expected = _expected(operation, role)
    status = answers["foreign"].status_code
    if status not in expected:
        yield f"{where} answers {status}, not {sorted(expected)}: {answers['foreign'].text[:300]}"


def _expected(operation: Operation, role: str) -> set[int]:
    if operation.is_public:
        return {404}
    if role == "nobody":
        return {401}
    held = scopes_of([role])
    if "admin" not in held and not held & operation.scopes:
        return {403}
    if operation.name in FOR_OPERATORS:
        return {403}
    return {200, 201} if operation.name in CREATE_UNDER_ANY_NAME else {404}


def differences(where: str, answer: Response, absent: Response) -> Iterator[str]:
    """How the answer to a foreign id can be told from that to an absent one."""
    if answer.status_code != absent.status_code:
        yield f"{where}: {answer.status_code} {answer.text[:200]} and not {absent.status_code} {absent.text[:200]}"
    elif answer.is_success and answer.request.method != "GET":
        # What was made says when, and under which id.
        return
    elif (one := told(answer)) != (other := told(absent)):
        yield f"{where}: {one} and not {other}"


def told(answer: Response) -> tuple[Any, dict[str, str]]:
    """What an answer says beside the name that was asked for and the id of the request."""
    text = answer.text
    for name in answer.extensions["asked"]:
        text = text.replace(name, "<asked>")
    body = json.loads(text) if "json" in answer.headers.get("content-type", "") else text
    if isinstance(body, dict):
        body.pop("instance", None)
    passing = ("x-request-id", "content-length", "date", "ratelimit", "ratelimit-policy", "etag")
    return body, {name: value for name, value in answer.headers.items() if name not in passing}


def leaks(world: World, answer: Response) -> list[str]:
    """What is theirs in the answer, but for what was asked for by name."""
    text = answer.text
    for name in answer.extensions["asked"]:
        text = text.replace(name, "<asked>")
    return [each for each in (world.theirs.mark, *world.theirs.things.values()) if each in text]


def test_the_roles_are_all_there_are() -> None:
    assert set(ROLES) == {"viewer", "coordinator", "operator", "admin", "service"}
    assert all(each.scopes <= SCOPES.keys() for each in OPERATIONS)
