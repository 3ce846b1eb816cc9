"""`qs keys`: what stands under which secret key, and everything under the current one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from qs.interface.cli.output import Json, emit, note, progress, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import actor

if TYPE_CHECKING:
    from qs.application.kernel.key_rotation import Rotated, Standing

app = typer.Typer(no_args_is_help=True)

_MOST_SHOWN = 20


@app.callback()
def keys() -> None:
    """The keys of QS_SECRET_KEY and what hangs on each."""


@app.command("list")
def list_(json_mode: Json = False) -> None:
    """Say how many rows stand under which key."""
    rows_, links = run_async(_standing())
    items = [*_items(rows_), *_items(links)]
    emit({"ring": rows_.ring, "items": items}, json_mode, _table(items))


@app.command()
def rotate(json_mode: Json = False) -> None:
    """Encrypt everything anew that is not under the current key; exits 1 when something is left.

    It may be stopped and begun again at any time, and runs beside a service that works.
    """
    rotated, links = run_async(_rotate())
    items = [*_items(rotated.standing), *_items(links)]
    for name, ids in rotated.unreadable.items():
        shown = ", ".join(ids[:_MOST_SHOWN]) + (" …" if len(ids) > _MOST_SHOWN else "")
        note(f"{len(ids)} rows of {name} could not be read with any key: {shown}")
    data = {
        "key": rotated.standing.ring[0],
        "renewed": dict(rotated.renewed),
        "unreadable": rotated.unreadable,
        "items": items,
    }
    emit(data, json_mode, _table(items))
    if not rotated.is_complete:
        if not rotated.unreadable:
            note(
                "rows under an older key were written meanwhile: restart every process with the new key first, then "
                "run this again"
            )
        raise typer.Exit(1)


async def _standing() -> "tuple[Standing, Standing]":
    async with open_container() as container:
        rotation = container.key_rotation()
        return await rotation.standing(), await rotation.links()


async def _rotate() -> "tuple[Rotated, Standing]":
    async with open_container() as container:
        rotation = container.key_rotation()
        before = await rotation.standing()
        total = sum(sum(before.left(name).values()) for name in before.rows)
        note(f"{total} rows are to be encrypted anew under {before.ring[0]}")
        with progress("encrypting anew", total) as advance:
            rotated = await rotation.rotate(actor=actor(), progress=lambda name, count: advance(count))
        note(f"{rotated.renewed.total()} rows were encrypted anew")
        return rotated, await rotation.links()


def _items(standing: "Standing") -> Iterator[dict[str, Any]]:
    for name, by_key in standing.rows.items():
        for key, count in sorted(by_key.items()):
            state = "current" if key == standing.ring[0] else "older" if key in standing.ring else "missing"
            yield {"what": name, "key": key, "state": state, "rows": count}


def _table(items: list[dict[str, Any]]) -> Any:
    return rows(("what", "key", "state", "rows"), ([*each.values()] for each in items))
