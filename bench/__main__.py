"""`python -m bench [NAME …] --rounds 7 --json FILE`."""

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import uvloop

from bench import (
    chilling,
    enrollment,
    events,
    figures,
    http,
    idle,
    jobs,
    large,
    lateness,
    memory,
    messages,
    pages,
    restore,
    scale_works,
    sweep,
    venvs,
    webhook_deliveries,
)
from bench.harness import Case, Outcome, measure, write
from bench.world import World, world

_CASES: Mapping[str, Callable[[World, argparse.Namespace], Awaitable[Case]]] = {
    "sweep": lambda scene, options: sweep.opening(scene, options.due, options.later),
    "expiry": lambda scene, options: sweep.expiry(scene, options.due, options.later),
    "enrollment": lambda scene, options: enrollment.bulk(scene, options.people, options.due + options.later),
    "relay": lambda scene, options: events.relaying(scene, options.events, options.later),
    "subscriber": lambda scene, options: events.subscribing(scene, options.events, options.later),
    "counting": lambda scene, options: figures.counting(scene, options.events),
    "sync": lambda scene, options: figures.syncing(scene, options.places),
    "validation": lambda scene, options: figures.validating(scene, options.keys),
    "firing": lambda scene, options: jobs.firing(scene, options.jobs, options.idle),
    "executing": lambda scene, options: jobs.executing(scene, options.executions, options.peers),
    "one_task": lambda scene, options: http.one_task(scene, options.requests, options.due),
    "authentication": lambda scene, options: http.authentication(scene, options.requests, options.due),
    "health": lambda scene, options: http.health(scene, options.requests),
    "webhooks": lambda scene, options: webhook_deliveries.delivering(scene, options.deliveries),
    "messages": lambda scene, options: messages.sending(scene, options.deliveries),
    "webhooks_beside": lambda scene, options: webhook_deliveries.beside_broken_ones(
        scene, options.deliveries
    ),
}
# Those that are measured in another way than by rounds of several subjects.
_OTHERS: Mapping[str, Callable[[World, argparse.Namespace], Awaitable[Outcome]]] = {
    "memory": lambda scene, options: memory.growth(scene, options.rounds, options.swept),
    "lateness": lambda scene, options: lateness.punctuality(
        scene, options.schedulers, options.punctual, options.minutes, options.peers
    ),
    "idle": lambda scene, options: idle.idling(scene, options.schedules, options.seconds),
    "large": lambda scene, options: large.growing_old(scene, options.tasks, options.parts),
    "pages": lambda scene, options: pages.opening(scene, options.stored, options.jobs, options.rounds),
    "restore": lambda scene, options: restore.moved(scene, options.tasks, options.rounds),
    "scale": lambda scene, options: scale_works.scaling(
        scene, _units(options), options.processes, options.rounds
    ),
}
_NAMES = (*_CASES, *_OTHERS)
# Those that take minutes whatever they are given are measured only when they are named.
_LONG = ("lateness", "idle", "pages", "scale", "large", "restore")
_SMALL = tuple(name for name in _NAMES if name not in _LONG)

# Those that work on the database as it was kept, of which a cold copy can be made.
_COLD = frozenset({"sweep", "expiry", "enrollment", "relay", "subscriber"})


async def _all(options: argparse.Namespace) -> list[Outcome]:
    running = asyncio.current_task()
    assert running is not None
    # Ended by whatever runs it, it takes its databases with it as it does after Ctrl-C.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    outcomes: list[Outcome] = []
    for name in options.names or _SMALL:
        async with world(options.database_url, options.redis_url) as scene:
            servers = await scene.versions()
            async for outcome in _outcomes(name, scene, options):
                print("\n".join(outcome.lines()), flush=True)
                outcomes.append(outcome)
                # After each, since a long run that is cut short has still measured something.
                if options.json:
                    write(outcomes, options.json, _shown(options), servers)
    return outcomes


def _shown(options: argparse.Namespace) -> dict[str, object]:
    given = {key: value for key, value in vars(options).items() if key not in ("json", "names", "peers")}
    return {key: value for key, value in given.items() if not key.endswith("_url")}


async def _outcomes(name: str, scene: World, options: argparse.Namespace) -> AsyncIterator[Outcome]:
    if name in _OTHERS:
        yield await _OTHERS[name](scene, options)
        return
    case = await _CASES[name](scene, options)
    yield await measure(case, options.rounds, scene.processor_seconds)
    if options.cold and name in _COLD:
        scene.cold = True
        notes = {**case.notes, "cold": chilling.description()}
        cold = replace(case, name=f"{case.name}, cold", notes=notes)
        yield await measure(cold, options.rounds, scene.processor_seconds)


def _schedulers(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := set(names) - {lateness.OURS, *lateness.RIVALS}:
        known = ", ".join((lateness.OURS, *lateness.RIVALS))
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; choose from {known}")
    return names


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(large.PARTS):
        known = ", ".join(large.PARTS)
        raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}; known: {known}")
    return names


def _works(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := set(names) - set(scale_works.WORKS):
        known = ", ".join(scale_works.WORKS)
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; choose from {known}")
    return names


def _counts(text: str) -> list[int]:
    counts = [int(count) for count in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError("there must be one process at least")
    return counts


def _units(options: argparse.Namespace) -> Mapping[str, int]:
    """How much of each work whose growth is measured."""
    units = {
        "reads": options.requests,
        "enrollments": options.people,
        "sweeps": options.due,
        "executions": options.executions,
        "messages": options.deliveries,
    }
    return {name: units[name] for name in options.works}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which to run: {', '.join(_NAMES)}; all but {', '.join(_LONG)} without",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--due", type=int, default=20_000, help="tasks moved in a round")
    parser.add_argument(
        "--later",
        type=int,
        default=20_000,
        help="rows beside them: tasks of next month, events published before",
    )
    parser.add_argument(
        "--cold", action="store_true", help=f"also measure {', '.join(sorted(_COLD))} with nothing in memory"
    )
    parser.add_argument(
        "--swept", type=int, default=40_000, help="tasks due in the sweep whose memory is measured"
    )
    parser.add_argument("--people", type=int, default=2_000, help="testees enrolled in a round")
    parser.add_argument("--events", type=int, default=20_000, help="events published and acted on in a round")
    parser.add_argument("--places", type=int, default=20_000, help="changed counters synced in a round")
    parser.add_argument("--keys", type=int, default=100_000, help="figures validated in a round")
    parser.add_argument(
        "--jobs", type=int, default=10_000, help="jobs due at once in a round, or stored in pages"
    )
    parser.add_argument("--stored", type=int, default=100_000, help="tasks stored in pages")
    parser.add_argument("--idle", type=int, default=10_000, help="further jobs that are not due")
    parser.add_argument("--executions", type=int, default=5_000, help="no-op executions in a round")
    parser.add_argument("--punctual", type=int, default=300, help="jobs due at every full minute")
    parser.add_argument("--minutes", type=int, default=3, help="full minutes at which lateness is measured")
    parser.add_argument(
        "--schedulers",
        type=_schedulers,
        default=_schedulers(",".join((lateness.OURS, *lateness.RIVALS))),
        help="whose lateness is measured, with commas between them (default: %(default)s)",
    )
    parser.add_argument(
        "--schedules", type=int, default=100_000, help="stored jobs that idle, none of them due"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they are watched idling")
    parser.add_argument(
        "--peers",
        type=Path,
        default=venvs.kept_in(),
        help="where the environments of peers are made and kept",
    )
    parser.add_argument(
        "--works",
        type=_works,
        default=list(scale_works.WORKS),
        help="what grows with the processes, with commas between them (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=_counts,
        default=[1, 2, 4],
        help="how many of them there are, one after the other, with commas (default: %(default)s)",
    )
    parser.add_argument(
        "--tasks", type=int, default=1_000_000, help="how many there are in all, in large and restore"
    )
    parser.add_argument(
        "--parts",
        type=_parts,
        default=list(large.PARTS),
        help="of large, with commas between them (default: %(default)s)",
    )
    parser.add_argument("--deliveries", type=int, default=20_000, help="webhook deliveries in a round")
    parser.add_argument("--requests", type=int, default=5_000, help="HTTP requests in a round")
    parser.add_argument(
        "--database-url", help="a PostgreSQL to use (as a superuser) instead of an embedded one"
    )
    parser.add_argument(
        "--redis-url", help="a Redis database to use, which is emptied, instead of an embedded one"
    )
    parser.add_argument("--json", type=Path, help="where the results are written")
    options = parser.parse_args()
    if unknown := set(options.names) - set(_NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(_NAMES)}")
    if options.cold and options.database_url:
        parser.error("--cold starts PostgreSQL anew, which it does only with an embedded one")
    uvloop.run(_all(options))


if __name__ == "__main__":
    main()
