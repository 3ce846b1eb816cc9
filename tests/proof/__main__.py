"""`python -m tests.proof`: every scenario in full, with a table of figures at the end; exit code 0 when all hold."""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
import traceback
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import uvloop

from tests.proof import (
    burst,
    clock_jumps,
    controls,
    edits,
    freezing,
    full_disk,
    hostile,
    jobs,
    key_rotation,
    kills,
    nodes,
    paused_nodes,
    points,
    poison,
    postgres_faults,
    redis_faults,
    resuming,
    rolling,
)
from tests.proof.figures import Figures, Scenario
from tests.proof.servers import Servers

USUAL_ROUNDS = 500
# Longer than the work takes to clean up.
_CANCEL_EVERY_S = 20.0

SCENARIOS: Mapping[str, Scenario] = {
    "kills": kills.kills,
    "hostile": hostile.hostile,
    "points": points.points,
    "sweep_resumes": resuming.sweep_resumes,
    "redis_faults": redis_faults.mixed,
    "redis_away": redis_faults.away,
    "postgres_restarts": postgres_faults.postgres_restarts,
    "commit_cuts": postgres_faults.commit_cuts,
    "full_disk": full_disk.full_disk,
    "frozen": freezing.frozen,
    "clock": clock_jumps.jumps,
    "poison": poison.poison,
    "deadly": poison.deadly,
    "jobs": jobs.jobs,
    "job_controls": jobs.job_controls,
    "nodes": nodes.nodes,
    "paused_nodes": paused_nodes.paused_nodes,
    "edits": edits.edits,
    "burst": burst.burst,
    "rolling": rolling.rolling,
    "key_rotation": key_rotation.key_rotation,
    "controls": controls.controls,
    "controls_by_chance": controls.controls_by_chance,
}
# An hour, to learn what undirected kills alone would have found; ten minutes by the clock on the wall, of which
# `make proof` runs one (test_scenarios.py).
_WHEN_ASKED = ("controls_by_chance", "nodes")


def run(names: list[str], seed: int, rounds_scale: float) -> dict[str, Figures]:
    """The figures of each scenario by its name; one that breaks has a violation that says so."""
    found: dict[str, Figures] = {}
    with Servers() as servers:
        for name in names:
            began = time.monotonic()
            print(f"{name} (seed {seed})", file=sys.stderr, flush=True)
            try:
                found[name] = uvloop.run(_stoppable(SCENARIOS[name](servers, seed, rounds_scale, _tell)))
            except Exception as error:  # noqa: BLE001 - the other scenarios have something to tell all the same
                traceback.print_exc()
                found[name] = Figures(seed, violations=[f"it broke: {type(error).__name__}: {error}"])
            found[name].seconds = time.monotonic() - began
    return found


async def _stoppable(work: Coroutine[Any, Any, Figures]) -> Figures:
    """What the work comes to. Raises KeyboardInterrupt when SIGTERM or SIGINT came first, and the work has cleaned up."""
    working = asyncio.ensure_future(work)
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    asking = asyncio.ensure_future(asked.wait())
    await asyncio.wait({working, asking}, return_when=asyncio.FIRST_COMPLETED)
    while asked.is_set() and not working.done():
        # Of a cancellation and an answer in the same moment, asyncio.wait_for of Python 3.11 drops the cancellation.
        working.cancel()
        await asyncio.wait({working}, timeout=_CANCEL_EVERY_S)
    asking.cancel()
    if asked.is_set():
        raise KeyboardInterrupt
    return working.result()


def _tell(progress: str) -> None:
    print(f"  {progress}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=USUAL_ROUNDS,
        help="random kills; the rounds of the other scenarios grow and shrink with it (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, help="that of an earlier run, to make the same choices again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures are written as well")
    parser.add_argument(
        "--only", action="append", choices=list(SCENARIOS), metavar="SCENARIO", help=", ".join(SCENARIOS)
    )
    options = parser.parse_args()
    # Whoever ends it, by SIGTERM as by Ctrl-C, finds nothing left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    found = run(
        options.only or [name for name in SCENARIOS if name not in _WHEN_ASKED],
        seed,
        options.rounds / USUAL_ROUNDS,
    )
    for name, figures in found.items():
        print("\n" + "\n".join(figures.lines(name)))
    if options.json is not None:
        options.json.write_text(
            json.dumps({name: each.to_json() for name, each in found.items()}, indent=2) + "\n"
        )
    failed = [name for name, figures in found.items() if not figures.holds]
    if failed:
        again = f"python -m tests.proof --seed {seed} --only {failed[0]} --rounds {options.rounds}"
        print(f"\nfailed: {', '.join(failed)}; once more: {again}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
