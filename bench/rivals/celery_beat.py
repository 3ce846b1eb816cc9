"""Celery: `beat` sends each slot to a Redis broker, `worker` acknowledges it when the work is done."""

import os
import sys
from pathlib import Path

from celery import Celery  # type: ignore[import-not-found]
from celery.schedules import crontab  # type: ignore[import-not-found]

from bench.rivals.recording import REDIS_URL, SCRATCH, began, jobs


def application() -> Celery:
    url = os.environ[REDIS_URL].replace("unix:", "redis+socket:", 1).replace("?db=", "?virtual_host=")
    app = Celery("bench", broker=url)
    app.conf.update(
        timezone="UTC",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        beat_schedule_filename=str(Path(os.environ[SCRATCH]) / "celerybeat-schedule"),
        beat_schedule={
            f"job {number}": {"task": "began", "schedule": crontab(), "args": (number,)} for number in jobs()
        },
    )
    app.task(began, name="began")
    return app


def main() -> None:
    if sys.argv[1] == "beat":
        application().start(["beat", "--loglevel", "WARNING", "--pidfile="])
    else:
        application().worker_main(["worker", "--loglevel", "WARNING"])


if __name__ == "__main__":
    main()
