"""`qs clock`: business time."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from qs.application.kernel.business_time import ClockAdvancing, ClockReading
from qs.domain.kernel.durations import parse_duration
from qs.interface.cli.output import Json, emit, misuse, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import actor

app = typer.Typer(no_args_is_help=True)


@app.callback()
def clock() -> None:
    """Business time, which decides what is due: system time plus an offset that only grows."""


@app.command()
def show(json_mode: Json = False) -> None:
    """Show business time and how many seconds it is ahead of system time."""
    emit(_plain(run_async(_ask(ClockAdvancing.read))), json_mode)


@app.command()
def advance(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="INSTANT", help="RFC 3339, such as 2026-07-01T19:00:00+08:00."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="DURATION", help="Such as 90s, 1h30m or 7d.")
    ] = None,
    json_mode: Json = False,
) -> None:
    """Move business time forward; refused in production."""
    if (to is None) == (by is None):
        misuse("give either --to INSTANT or --by DURATION")
    if to is not None:
        instant = _instant(to)
        reading = run_async(_ask(lambda clock: clock.advance_to(instant, actor=actor())))
    else:
        step = _duration(by or "")
        reading = run_async(_ask(lambda clock: clock.advance_by(step, actor=actor())))
    emit(_plain(reading), json_mode)


async def _ask(question: Callable[[ClockAdvancing], Awaitable[ClockReading]]) -> ClockReading:
    async with open_container() as container:
        return await question(container.clock_advancing())


def _plain(reading: ClockReading) -> dict[str, Any]:
    return {"now": reading.now.astimezone(UTC), "offset_s": round(reading.offset.total_seconds(), 3)}


def _instant(text: str) -> datetime:
    instant = None
    with suppress(ValueError, OverflowError):
        instant = datetime.fromisoformat(text)
    if instant is None or instant.tzinfo is None:
        misuse(f"--to {text[:60]} is no instant; write it with its offset, such as 2026-07-01T19:00:00+08:00")
    return instant


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except (ValueError, OverflowError):
        misuse(f"--by {text[:60]} is no duration; write it such as 90s, 1h30m or 7d")
