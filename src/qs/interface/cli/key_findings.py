"""What the doctor looks at under the secret key: whether everything stands under the current one, or can be read at all."""

from collections.abc import AsyncIterator, Mapping

from qs.application.kernel.key_rotation import Standing
from qs.interface.cli.findings import Finding, complaint, found, well
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
        yield found("keys.unseen", "secret keys", f"could not be looked at: {complaint(error)}")
        return
    finally:
        await close(container)
    yield _of_rows(stored)
    yield _of_links(links)


def _of_rows(standing: Standing) -> Finding:
    current, *_ = standing.ring
    left = {name: each for name in standing.rows if (each := standing.left(name))}
    missing = {name: lost for name, each in left.items() if (lost := _lost(each, standing))}
    if missing:
        what = "not readable with any key of QS_SECRET_KEY: " + _told(missing)
        return found("keys.lost", "secret keys", what)
    if left:
        return found("keys.old", "secret keys", "under an older key: " + _told(left))
    return well("secret keys", f"everything that is encrypted is under {current}")


def _of_links(standing: Standing) -> Finding:
    (name,) = standing.rows
    left = standing.left(name)
    if lost := _lost(left, standing):
        what = "links that open nothing, since their key is gone: " + _told({name: lost})
        return found("links.lost", "entry links", what)
    if left:
        return found("links.old", "entry links", "under an older key: " + _told({name: left}))
    return well("entry links", f"all of open tasks are under {standing.ring[0]}")


def _lost(counts: Mapping[str, int], standing: Standing) -> dict[str, int]:
    return {key: count for key, count in counts.items() if key not in standing.ring}


def _told(by_name: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{count} under {key}" for key, count in sorted(counts.items()))
        for name, counts in by_name.items()
    )
