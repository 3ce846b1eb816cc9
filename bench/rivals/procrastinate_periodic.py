"""procrastinate: one worker that defers each slot into PostgreSQL, is told of it there, and runs it."""

import asyncio
import os

from procrastinate import App, PsycopgConnector  # type: ignore[import-not-found]

from bench.rivals.recording import DATABASE_URL, began, jobs


async def work(timestamp: int, job: int) -> None:
    began(job, timestamp)


async def main() -> None:
    app = App(connector=PsycopgConnector(conninfo=os.environ[DATABASE_URL], min_size=4, max_size=20))
    task = app.task(work, name="work")
    for number in jobs():
        app.periodic(cron="* * * * *", periodic_id=str(number), task_kwargs={"job": number})(task)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.run_worker_async(concurrency=30)


if __name__ == "__main__":
    asyncio.run(main())
