"""`python -m bench.recording_worker ROLE`: a worker of qs as ``qs worker`` starts it, with one more builtin, ``record``."""

import sys
from collections.abc import Mapping
from typing import Any

from bench.rivals.recording import began
from qs.application.scheduler.builtins import BuiltinContext, Result, builtin
from qs.interface import jobs


async def record(context: BuiltinContext, payload: Mapping[str, Any]) -> Result:
    assert context.scheduled_at is not None
    began(payload["number"], context.scheduled_at.timestamp())
    return None


def main() -> int:
    # Before anything reads the list.
    jobs.REGISTRATIONS = (*jobs.REGISTRATIONS, builtin("record")(record))
    from workers.__main__ import main as work

    return work(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
