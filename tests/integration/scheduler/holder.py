"""A process that begins background work, says its id, and never ends it: python holder.py DATABASE_URL DUTY."""

import asyncio
import sys

from qs.domain.scheduler.execution import DUTY_LEASE, Lease
from qs.infra.postgres.engine import create_engine
from tests.integration.scheduler.machines import ASKED, Machine, Recorder

SHORT = Lease(length=DUTY_LEASE.length / 6, heartbeat=DUTY_LEASE.heartbeat / 6)


async def main(database_url: str, duty: str) -> None:
    recorder = Recorder()
    machine = Machine(create_engine(database_url), work=recorder, lease=SHORT)
    execution_id = await machine.executions.start_in_background(duty, **ASKED)
    await recorder.begun()
    print(execution_id, flush=True)
    await recorder.may_end.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
