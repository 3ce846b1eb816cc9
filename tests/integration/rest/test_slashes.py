"""A slash that is escaped belongs to its segment, on every route."""

from urllib.parse import quote

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.interface.rest.slashes import hide_slashes
from qs.logs import configure_logging
from qs.settings.sections import LogSettings
from tests.integration.rest.probes import KNOWN, insert

THINGS = "/api/v1/things"


@pytest.mark.parametrize("code", ["a/b", "/", "a//b/", "a%2Fb", "编/号", "a/../b"])
async def test_a_code_with_slashes_is_found(client: AsyncClient, engine: AsyncEngine, code: str) -> None:
    stored = f"{code}:{(await insert(engine, code)).id}"

    for path in (quote(stored, safe=""), quote(stored, safe="").replace("%2F", "%2f")):
        found = await client.get(f"{THINGS}/by-code/{path}")

        assert (found.status_code, found.json()["data"]) == (200, stored)


async def test_nothing_else_is_found_by_it(client: AsyncClient) -> None:
    for path in (f"{KNOWN}%2F", f"by-code%2F{KNOWN}", f"by-code/%ED%B0%AF{KNOWN}", "by-code/a%00%2Fb", "%2F"):
        answer = await client.get(f"{THINGS}/{path}")

        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_log_shows_the_path_as_it_is_meant(
    client: AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    # Whatever another test of this process left of the logging, this one has to see its lines.
    configure_logging(LogSettings(format="json"), "test")
    try:
        await client.get(f"{THINGS}/by-code/a%2Fb")
        await client.get("/nowhere/a%2Fb")
    finally:
        configure_logging(LogSettings(console=False), "test")

    shown = capsys.readouterr()
    assert f'"path":"{THINGS}/by-code/a/b"' in (shown.out + shown.err).replace(": ", ":")
    assert '"path":"/nowhere/a/b"' in (shown.out + shown.err).replace(": ", ":")


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [("/a/b", b"/a/b"), ("/b/c", b"/prefix/b%2Fc"), ("/prefix/b/c", b"/b%2Fc"), ("/a/b", None)],
)
def test_a_path_that_does_not_tell_which_slash_was_meant_is_left_alone(
    path: str, raw_path: bytes | None
) -> None:
    assert hide_slashes({"path": path, "raw_path": raw_path}) == path
