"""What the doctor looks at under the secret key: whether everything stands under the current one, or can be read at all."""

from collections.abc import AsyncIterator, Mapping

from qs.application.kernel.key_rotation import Standing
from qs.interface.cli.findings import Finding, complaint
from qs.settings import Settings


async def key_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about what is encrypted and about entry links; none without a key, which is a finding of its own."""
    if settings.secret_key is None:
        return
    from qs.container import build_container, close

    container = build_container(settings)
    try:
        rotation = container.key_rotation()
        stored, links = await rotation.standing(), await rotation.links()
    except Exception as error:  # noqa: BLE001 - whatever the server says is the finding
        what = f"could not be looked at: {complaint(error)}"
        yield Finding("secret keys", "note", what, "see what is said of the database")
        return
    finally:
        await close(container)
    yield _of_rows(stored)
    yield _of_links(links)


def _of_rows(standing: Standing) -> Finding:
    current, *_ = standing.ring
    left = {name: found for name in standing.rows if (found := standing.left(name))}
    missing = {name: lost for name, found in left.items() if (lost := _lost(found, standing))}
    if missing:
        what = "not readable with any key of QS_SECRET_KEY: " + _told(missing)
        todo = "add those keys to QS_SECRET_KEY again, behind the present one, then run `qs keys rotate`"
        return Finding("secret keys", "wrong", what, todo)
    if left:
        what = "under an older key: " + _told(left)
        return Finding("secret keys", "note", what, "run `qs keys rotate` before a key leaves QS_SECRET_KEY")
    return Finding("secret keys", "ok", f"everything that is encrypted is under {current}")


def _of_links(standing: Standing) -> Finding:
    (name,) = standing.rows
    left = standing.left(name)
    if lost := _lost(left, standing):
        what = "links that open nothing, since their key is gone: " + _told({name: lost})
        todo = "add that key to QS_SECRET_KEY again, behind the present one, or issue the links again"
        return Finding("entry links", "wrong", what, todo)
    if left:
        what = "under an older key: " + _told({name: left})
        return Finding("entry links", "note", what, "keep that key until these tasks have ended")
    return Finding("entry links", "ok", f"all of open tasks are under {standing.ring[0]}")


def _lost(found: Mapping[str, int], standing: Standing) -> dict[str, int]:
    return {key: count for key, count in found.items() if key not in standing.ring}


def _told(by_name: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{count} under {key}" for key, count in sorted(found.items()))
        for name, found in by_name.items()
    )
