"""What the doctor asks the message broker: is it there, does it take us in, and does it have what it should."""

from collections.abc import AsyncIterator

from sqlalchemy import text

from qs.application.kernel.brokers import BrokerUnavailable
from qs.infra.postgres.engine import create_engine
from qs.interface.cli.findings import Finding, complaint, found, well
from qs.making_brokers import make_event_broker, measure_backlog
from qs.settings import Settings

_SUBJECT = "message broker"
_MANY_BEHIND = 1_000

_TENANT = text("SELECT count(*) FROM tenant WHERE (slug = :named OR id::text = :named) AND status = 'active'")


async def broker_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about the broker; none where events go out to none."""
    mq = settings.mq
    if mq.type is None:
        return
    broker = make_event_broker(settings)
    try:
        await broker.connect()
        yield well(_SUBJECT, f"{mq.type} at {mq.host} takes events")
    except BrokerUnavailable as error:
        what = f"{mq.type} at {mq.host}: {complaint(_cause(error))}; events wait in the outbox"
        yield found("broker.away", _SUBJECT, what)
    finally:
        await broker.aclose()
    async for finding in _in_database(settings):
        yield finding


async def _in_database(settings: Settings) -> AsyncIterator[Finding]:
    assert settings.database.url is not None
    engine = create_engine(settings.database.url, role=None, pooled=False, application_name="qs-doctor")
    try:
        waiting, dead = await measure_backlog(engine)
        if dead:
            yield found("broker.given_up", "broker backlog", f"{dead} events were refused for good")
        elif waiting > _MANY_BEHIND:
            yield found("broker.behind", "broker backlog", f"{waiting} events are still to go out")
        else:
            yield well("broker backlog", f"{waiting} events are still to go out")
        if settings.mq.accept_jobs:
            async with engine.connect() as connection:
                is_there = await connection.scalar(_TENANT, {"named": settings.mq.tenant})
            yield _accepting(settings, is_active=bool(is_there))
    except Exception as error:  # noqa: BLE001 - whatever the server says is the finding
        yield found("check.failed", "broker backlog", complaint(error))
    finally:
        await engine.dispose()


def _accepting(settings: Settings, *, is_active: bool) -> Finding:
    queue = f"{settings.mq.prefix}.job-requests"
    if not is_active:
        what = f"mq.tenant is {settings.mq.tenant}, which is no active tenant; requests wait at the broker"
        return found("broker.unknown_tenant", "mq.accept_jobs", what)
    what = f"whoever may write to {queue} runs the jobs of tenant {settings.mq.tenant}"
    return found("broker.accepts_jobs", "mq.accept_jobs", what)


def _cause(error: BrokerUnavailable) -> Exception:
    return error.__cause__ if isinstance(error.__cause__, Exception) else error
