"""`python -m bench [NAME …] --rounds 7 --json FILE`."""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvloop

from bench import enrollment, events, figures, http, sweep
from bench.harness import Case, Result, measure, write
from bench.world import World, world

_CASES: Mapping[str, Callable[[World, argparse.Namespace], Awaitable[Case]]] = {
    "sweep": lambda scene, options: sweep.opening(scene, options.rounds, options.due, options.later),
    "expiry": lambda scene, options: sweep.expiry(scene, options.rounds, options.due, options.later),
    "enrollment": lambda scene, options: enrollment.bulk(scene, options.rounds, options.people),
    "relay": lambda scene, options: events.relaying(scene, options.events),
    "subscriber": lambda scene, options: events.subscribing(scene, options.rounds, options.events),
    "counting": lambda scene, options: figures.counting(scene, options.events),
    "sync": lambda scene, options: figures.syncing(scene, options.places),
    "validation": lambda scene, options: figures.validating(scene, options.keys),
    "one_task": lambda scene, options: http.one_task(scene, options.requests, options.due),
    "health": lambda scene, options: http.health(scene, options.requests),
}


async def _all(options: argparse.Namespace) -> list[Result]:
    results, servers = [], {}
    for name in options.names or _CASES:
        async with world(options.database_url, options.redis_url) as scene:
            servers = await scene.versions()
            case = await _CASES[name](scene, options)
            results.append(await measure(case, options.rounds, scene.cpu.seconds))
        print("\n".join(results[-1].lines()), flush=True)
    if options.json:
        given = {key: value for key, value in vars(options).items() if key not in ("json", "names")}
        shown = {key: value for key, value in given.items() if not key.endswith("_url")}
        write(results, options.json, shown, servers)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(_CASES)}; all without"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--due", type=int, default=20_000, help="tasks moved in a round")
    parser.add_argument("--later", type=int, default=20_000, help="tasks beside them in each tenant")
    parser.add_argument("--people", type=int, default=2_000, help="testees enrolled in a round")
    parser.add_argument("--events", type=int, default=20_000, help="events published and acted on in a round")
    parser.add_argument("--places", type=int, default=20_000, help="changed counters synced in a round")
    parser.add_argument("--keys", type=int, default=100_000, help="figures validated in a round")
    parser.add_argument("--requests", type=int, default=5_000, help="HTTP requests in a round")
    parser.add_argument(
        "--database-url", help="a PostgreSQL to use (as a superuser) instead of an embedded one"
    )
    parser.add_argument(
        "--redis-url", help="a Redis database to use, which is emptied, instead of an embedded one"
    )
    parser.add_argument("--json", type=Path, help="where the results are written")
    options = parser.parse_args()
    if unknown := set(options.names) - set(_CASES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(_CASES)}")
    uvloop.run(_all(options))


if __name__ == "__main__":
    main()
