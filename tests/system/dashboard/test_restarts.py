"""A page that is looked at over a restart of the API and of Valkey says that it is not live, and then is again."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .conftest import PASSWORD, USERNAME
from .restarting import Parts, parts_of_a_service

pytestmark = pytest.mark.system

NOT_LIVE = "Not live at the moment"
# What the browser itself writes into its console when a connection breaks or is refused.
OF_THE_NETWORK = ("net::ERR_", "Failed to load resource: the server responded with a status of 503")
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with parts_of_a_service(USERNAME, PASSWORD) as parts:
        yield parts


class Looking:
    """Somebody who looks at one page and never loads it again."""

    def __init__(self, context: BrowserContext, parts: Parts, path: str) -> None:
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{parts.address}/dashboard/sign-in?next=/dashboard{path}")
        self.page.fill("#username", USERNAME)
        self.page.fill("#password", PASSWORD)
        self.page.click("form[action*='sign-in'] button")
        self.page.wait_for_url(f"**/dashboard{path}")
        self.page.evaluate("window.wasNeverLoadedAgain = true")

    def knows(self, part: str, words: str) -> None:
        expect(self.page.locator(f"#live-{part}")).to_contain_text(words, timeout=PATIENCE_MS)

    def is_told(self, words: str) -> None:
        expect(self.page.locator("#not-live")).to_contain_text(words, timeout=PATIENCE_MS)

    def is_at_rest(self) -> None:
        expect(self.page.locator("#not-live")).to_be_empty(timeout=PATIENCE_MS)
        assert self.page.evaluate("window.wasNeverLoadedAgain") is True
        assert [each for each in self.complaints if not any(own in each for own in OF_THE_NETWORK)] == []


def test_pages_go_on_after_restarts_of_the_api_and_of_valkey(chromium: Browser, parts: Parts) -> None:
    with httpx.Client(base_url=f"{parts.address}/api/v1", timeout=60) as api:
        login = api.post("/auth/login", json={"username": USERNAME, "password": PASSWORD}).raise_for_status()
        api.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        run = a_run(api)
        contexts = [chromium.new_context(locale="en-GB") for _ in range(2)]
        try:
            today = Looking(contexts[0], parts, "/today")
            execution = Looking(contexts[1], parts, f"/scheduler/executions/{run}")
            execution.knows("run", "Queued")

            # Valkey alone, killed and empty afterwards.
            parts.stop("valkey", kindly=False)
            parts.start_valkey()
            fire(api, "stop")
            today.knows("status", "nothing opens by itself")
            today.is_at_rest()

            # The API, asked to end.
            parts.stop("api")
            today.is_told(NOT_LIVE)
            execution.is_told(NOT_LIVE)
            parts.start_api()
            today.is_at_rest()
            execution.is_at_rest()
            fire(api, "start")
            expect(today.page.locator("#live-status")).not_to_contain_text(
                "nothing opens by itself", timeout=PATIENCE_MS
            )

            # Both, killed.
            parts.stop("api", kindly=False)
            parts.stop("valkey", kindly=False)
            today.is_told(NOT_LIVE)
            execution.is_told(NOT_LIVE)
            parts.start_valkey()
            parts.start_api()
            api.post(f"/scheduler/executions/{run}/cancel").raise_for_status()
            fire(api, "stop")
            execution.knows("run", "Canceled")
            today.knows("status", "nothing opens by itself")
            today.is_at_rest()
            execution.is_at_rest()
        finally:
            for context in contexts:
                context.close()


def a_run(api: httpx.Client) -> str:
    """The id of an execution that waits."""
    job = {"name": "nightly", "type": "cron", "schedule": "0 2 1 1 *", "target": {"builtin": "hello_job"}}
    made = api.post("/scheduler/jobs", json=job).raise_for_status().json()["data"]
    run = api.post(f"/scheduler/jobs/{made['id']}/run").raise_for_status().json()["data"]
    return str(run["id"])


def fire(api: httpx.Client, way: str) -> None:
    """Timed firing is started or stopped."""
    api.post(f"/scheduler/{way}").raise_for_status()
