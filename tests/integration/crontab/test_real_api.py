"""The scripts against an API process of ours, with a second one on a port of its own as the IAM."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from qs.container import build_container, close
from qs.domain.identity.scopes import ROLES
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.infra.embedded import Lease
from qs.settings import Settings
from tests.integration.crontab.kit import SWEEP, Kit, a_token, argument_lists
from tests.support import databases
from tests.support.notifying import Clinic
from tests.support.processes import clean_environment, ending, wait_until
from tests.support.settings import make_settings

LOGIN = "/api/v1/auth/login"
PASSWORDS = {
    "值班": 'a" & b | $HOME `id` \\ 密码',
    "duty.quote": "'\"\\n\\\\ %41 & ; # 密 é",
    "duty@expansion": "$(id) ${PATH} !! ~ * ? [a] {b,c} <>",
}
DUTIES = [
    "/api/v1/statistics/sync/daily",
    "/api/v1/statistics/sync/accumulated",
    "/api/v1/statistics/sync/plan",
    "/api/v1/statistics/validate",
    "/api/v1/plans/tasks/schedule",
    "/api/v1/plans/tasks/expire",
    "/api/v1/retention",
]


@dataclass(frozen=True)
class Installation:
    settings: Settings
    api: str
    iam: str
    client_id: str
    client_secret: str
    expiring: str
    """A token of the API that is good for some seconds more."""


async def furnish(settings: Settings) -> tuple[str, str, str]:
    container = build_container(settings)
    try:
        users = container.user_administration()
        for name, password in PASSWORDS.items():
            await users.create(DEFAULT_TENANT, name, password, ["operator"], actor="test")
        await users.create(DEFAULT_TENANT, "viewer", "only-looks-at-it", ["viewer"], actor="test")
        accounts = container.service_account_administration()
        made = await accounts.create(PLATFORM_TENANT, "crontab", sorted(ROLES["service"]), actor="test")
        token = await container.token_issuing().issue(
            DEFAULT_TENANT, ["tasks:schedule"], timedelta(seconds=50), actor="test"
        )
        return made.account.client_id, made.client_secret, token.token
    finally:
        await close(container)


def start_api(settings: Settings, directory: Path) -> "tuple[subprocess.Popen[bytes], str]":
    port_file = directory / "port"
    environment = clean_environment(
        QS_ENV="test",
        QS_HOME=str(settings.home),
        QS_SECRET_KEY=str(settings.secret_key),
        QS_DATABASE_URL=str(settings.database.url),
        QS_REDIS_URL=str(settings.redis.url),
    )
    command = [sys.executable, "-P", "-m", "qs", "api", "--port", "0", "--port-file", str(port_file)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    return process, str(port_file)


@pytest.fixture(scope="module")
def installation(
    servers: Lease, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Two API processes on one database of their own, with accounts, for all tests of this module."""
    name = "crontab_kit"
    asyncio.run(databases.clone(servers.database_url, template_database, name))
    address = databases.address(servers.database_url, name)
    settings = make_settings(address, servers.redis_url, tmp_path_factory.mktemp("home"))
    started = [start_api(settings, tmp_path_factory.mktemp(each)) for each in ("api", "iam")]
    with ExitStack() as stack:
        stack.callback(lambda: asyncio.run(databases.drop(servers.database_url, name)))
        for process, _ in started:
            stack.enter_context(ending(process))
        client_id, client_secret, expiring = asyncio.run(furnish(settings))
        urls = []
        for process, port_file in started:
            wait_until(
                lambda p=process, f=port_file: Path(f).exists() or p.poll() is not None,  # type: ignore[misc]
                "it listens",
            )
            urls.append(f"http://127.0.0.1:{int(Path(port_file).read_text())}")
        yield Installation(settings, urls[0], urls[1], client_id, client_secret, expiring)
        for process, _ in started:
            process.terminate()
        for process, _ in started:
            process.wait(60)


def set_up(kit: Kit, installation: Installation) -> Kit:
    """For the API, with the other process as the IAM."""
    username, password = next(iter(PASSWORDS.items()))
    kit.settings |= {
        "API_BASE_URL": installation.api,
        "IAM_LOGIN_URL": installation.iam + LOGIN,
        "IAM_USERNAME": username,
        "IAM_PASSWORD": password,
    }
    return kit


@pytest.fixture
def kit(kit: Kit, installation: Installation) -> Kit:
    return set_up(kit, installation)


async def a_due_task(settings: Settings) -> None:
    container = build_container(settings)
    truth = await asyncpg.connect(settings.database.url)
    try:
        clinic = Clinic(container, truth)
        await clinic.task(await clinic.testee())
    finally:
        await truth.close()
        await close(container)


def test_without_a_token_one_is_got_and_the_sweep_opens_what_is_due(
    either_kit: Kit, installation: Installation
) -> None:
    kit = set_up(either_kit, installation)
    asyncio.run(a_due_task(installation.settings))

    first, second = kit.call(), kit.call()

    assert (first.code, second.code) == (0, 0)
    assert "status=done opened=1" in kit.log
    assert kit.log.count("token: refreshed") == 1
    assert kit.log.count("opened=0") == 1


@pytest.mark.parametrize("duty", DUTIES)
def test_a_client_of_the_platform_may_call_every_duty(
    kit: Kit, installation: Installation, duty: str
) -> None:
    kit.settings |= {
        "CLIENT_ID": installation.client_id,
        "CLIENT_SECRET": installation.client_secret,
        "TOKEN_URL": f"{installation.iam}/oauth2/token",
        "CLIENT_AUTH": "post" if "statistics" in duty else "basic",
    }

    assert kit.call(duty).code == 0, kit.log


@pytest.mark.parametrize(
    ("username", "source"), list(zip(PASSWORDS, ["environment", "file", "file"], strict=True))
)
def test_a_password_of_any_characters_logs_in(kit: Kit, username: str, source: str) -> None:
    given = {"IAM_USERNAME": username, "IAM_PASSWORD": PASSWORDS[username]}
    if source == "file":
        kit.settings |= given
    else:
        kit.settings = {name: text for name, text in kit.settings.items() if name not in given}

    assert kit.call(**(given if source == "environment" else {})).code == 0, kit.log


@pytest.mark.parametrize("old", ["expiring", "foreign", "malformed"])
def test_a_token_that_is_no_good_is_replaced(kit: Kit, installation: Installation, old: str) -> None:
    tokens = {"expiring": installation.expiring, "foreign": a_token(), "malformed": "a.b"}
    kit.put_token(tokens[old])

    assert kit.call().code == 0

    # Only of the foreign one nobody but the API could know.
    assert ("status 401" in kit.log) == (old == "foreign")
    assert kit.log.count("token: refreshed") == 1


def test_who_may_not_gets_403_and_an_unknown_path_404(kit: Kit) -> None:
    forbidden = kit.call(IAM_USERNAME="viewer", IAM_PASSWORD="only-looks-at-it")
    unknown = kit.call("/nonsense")

    assert (forbidden.code, unknown.code) == (12, 13)
    assert "status 403 error=auth.scope_missing" in kit.log
    assert "status 404" in kit.log


def test_a_wrong_password_is_said(kit: Kit) -> None:
    assert kit.refresh(IAM_PASSWORD="quite-another-one").code == 11
    assert kit.call(IAM_PASSWORD="quite-another-one").code == 10
    assert "IAM_LOGIN_URL refuses the credentials" in kit.log


@pytest.mark.parametrize("offset_s", [7200, -7200])
def test_a_clock_that_is_two_hours_wrong_stops_nothing(kit: Kit, offset_s: int) -> None:
    kit.shim(
        "date",
        f'if [ "$1" = +%s ]; then echo $(($(/bin/date +%s) + {offset_s})); else exec /bin/date "$@"; fi',
    )

    assert (kit.call().code, kit.call().code) == (0, 0)
    assert kit.log.count("token: refreshed") == (2 if offset_s > 0 else 1)


def test_before_reaches_the_api_as_it_was_meant(kit: Kit) -> None:
    assert kit.start("--before", "now", SWEEP, str(kit.log_file)).wait().code == 0
    assert kit.call(f"{SWEEP}?before=2026-07-01T19:00:00+08:00").code == 0
    assert kit.call(f"{SWEEP}?before=2026-07-01 19:00:00").code == 0
    assert kit.call(f"{SWEEP}?before=2999-01-01").code == 13
    assert "error=before.in_future" in kit.log


def test_nobody_there_is_unreachable(kit: Kit) -> None:
    kit.put_token(a_token())

    assert kit.call(API_BASE_URL="http://127.0.0.1:1").code == 16


def test_after_a_full_run_no_secret_is_in_a_log(kit: Kit) -> None:
    kit.put_token(a_token())
    running = kit.start(SWEEP, str(kit.log_file))
    seen = []
    while running.process.poll() is None:
        seen.append(argument_lists())

    assert running.wait().code == 0
    told = "".join(seen) + kit.log + running.out + running.err
    assert kit.settings["IAM_PASSWORD"] not in told
    assert kit.token_file.read_text().strip() not in told
