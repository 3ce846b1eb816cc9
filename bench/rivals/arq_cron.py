"""arq's cron: one worker that enqueues each slot under an id of its own and runs it."""

import os
from datetime import UTC
from typing import Any

from arq import cron
from arq.connections import RedisSettings
from arq.worker import Worker

from bench.rivals.recording import REDIS_URL, began, jobs


async def work(ctx: dict[Any, Any]) -> None:
    _, job, slot_ms = ctx["job_id"].split(":")
    began(int(job), int(slot_ms) / 1000)


def main() -> None:
    Worker(
        # A slot is 123 ms past the second by default.
        cron_jobs=[
            cron(work, name=f"cron:{number}", second=0, microsecond=0, max_tries=5) for number in jobs()
        ],
        redis_settings=RedisSettings.from_dsn(os.environ[REDIS_URL]),
        max_jobs=max(10, len(jobs())),
        timezone=UTC,
    ).run()


if __name__ == "__main__":
    main()
