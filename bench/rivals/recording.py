"""What every scheduler's work does: one line in a file for each execution."""

import os
import time

# The file, and how many jobs there are; told by whoever starts the process.
RECORD = "BENCH_RECORD"
JOBS = "BENCH_JOBS"
DATABASE_URL = "BENCH_DATABASE_URL"
REDIS_URL = "BENCH_REDIS_URL"
SCRATCH = "BENCH_SCRATCH"

_MINUTE_S = 60
# Whoever is early by less than this is early, and not a minute late.
_EARLY_S = 5


def began(job: int, slot: float | None = None) -> None:
    """Appends the job, its slot and this instant, both in seconds since 1970, by one write that reaches the file at once.

    Without ``slot`` it is the minute that this instant lies in.
    """
    now = time.time()
    if slot is None:
        slot = (now + _EARLY_S) // _MINUTE_S * _MINUTE_S
    descriptor = os.open(os.environ[RECORD], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{job} {slot:.0f} {now:.6f}\n".encode())
    os.close(descriptor)


def jobs() -> range:
    """The numbers of the jobs, all of which are due at the full minute."""
    return range(int(os.environ[JOBS]))
