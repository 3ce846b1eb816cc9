"""APScheduler with its jobs in PostgreSQL, as in the example of its user guide; late runs are run, not dropped."""

import os

from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-not-found]
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore  # type: ignore[import-not-found]
from apscheduler.schedulers.blocking import BlockingScheduler  # type: ignore[import-not-found]

from bench.rivals.recording import DATABASE_URL, jobs


def main() -> None:
    url = os.environ[DATABASE_URL].replace("postgresql:", "postgresql+psycopg:", 1)
    scheduler = BlockingScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=url)},
        executors={"default": ThreadPoolExecutor(20)},
        # Its default drops what is a second late.
        job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 3},
        timezone="UTC",
    )
    for number in jobs():
        scheduler.add_job(
            "bench.rivals.recording:began",
            "cron",
            minute="*",
            second=0,
            args=[number],
            id=str(number),
            replace_existing=True,
        )
    scheduler.start()


if __name__ == "__main__":
    main()
