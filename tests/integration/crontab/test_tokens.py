"""Tokens: when a new one is got, from whom, where it is kept, and who can see it."""

import base64
import fcntl
import json
import stat
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest

from tests.integration.crontab.kit import SWEEP, Kit, StubServer, a_token
from tests.support.processes import wait_until

LOGIN = "/api/v1/auth/login"
SECRET = "a\" & b | $HOME `id` \\ %41 '; \x01\t密码é"


def set_up(kit: Kit, stub: StubServer) -> Kit:
    kit.settings |= {"API_BASE_URL": stub.url, "IAM_USERNAME": "robot", "IAM_PASSWORD": SECRET}
    return kit


@pytest.fixture
def kit(kit: Kit, stub: StubServer) -> Kit:
    """With credentials, and the stub for an API and for its IAM."""
    return set_up(kit, stub)


@pytest.fixture
def either_kit(either_kit: Kit, stub: StubServer) -> Kit:
    return set_up(either_kit, stub)


def logging_in(token: Any, *, accepts: bool = True) -> Any:
    """Answers of a server that hands out this token, or this answer, and takes every one or none."""
    answer = token if isinstance(token, dict) else {"token": token}
    return lambda path, _: (200, answer) if path == LOGIN else ((200, {}) if accepts else (401, {}))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda token: {"token": token},
        lambda token: {"access_token": token, "refresh_token": "r.r.r", "expires_in": 3600},
        lambda token: {"code": 0, "data": {"token": token}, "message": 'a "token": "x.y.z"'},
        lambda token: {"data": {"list": [{"token": "n.n.n"}, "token"], "access_token": token}},
        lambda token: {"nested": {"token": "n.n.n"}, "token": None, "data": {"access_token": token}},
    ],
)
def test_the_token_is_found_in_every_answer_people_have(either_kit: Kit, stub: StubServer, wrap: Any) -> None:
    token = a_token()
    stub.answer = logging_in(wrap(token))

    assert either_kit.call().code == 0

    assert either_kit.token_file.read_text() == token + "\n"
    assert stub.seen[-1].headers["Authorization"] == f"Bearer {token}"


@pytest.mark.parametrize(
    "answer",
    [{}, {"token": "short"}, {"token": "a.b.c\nX-Evil: 1"}, {"user": {"token": "n.n.n"}}, {"token": 5}],
)
def test_an_answer_without_a_token_leaves_the_old_one(either_kit: Kit, stub: StubServer, answer: Any) -> None:
    stub.answer = logging_in(answer)
    either_kit.put_token(a_token(-60))
    old = either_kit.token_file.read_text()

    assert either_kit.call().code == 10

    assert either_kit.token_file.read_text() == old
    assert "holds no token" in either_kit.log
    assert SWEEP not in stub.paths()


@pytest.mark.parametrize(
    "old",
    [
        *("", "\n", "nonsense", "a.b", "a.b.c.d", "a.b.c\nd.e.f\n", "Bearer a.b.c", "a.b.c d", "a.b.\0c"),
        pytest.param("a" * 9000 + ".b.c", id="too long"),
    ],
)
def test_a_token_that_cannot_be_good_is_replaced_before_it_is_sent(
    kit: Kit, stub: StubServer, old: str
) -> None:
    new = a_token()
    stub.answer = logging_in(new)
    kit.put_token({"expired": a_token(-60), "near expiry": a_token(30)}.get(old, old))

    assert kit.call().code == 0

    assert stub.paths() == [LOGIN, SWEEP]
    assert kit.token_file.read_text() == new + "\n"


@pytest.mark.parametrize("seconds", [-60, 30])
def test_a_token_at_its_end_is_replaced_before_it_is_sent(
    either_kit: Kit, stub: StubServer, seconds: int
) -> None:
    stub.answer = logging_in(a_token())
    either_kit.put_token(a_token(seconds))

    assert either_kit.call().code == 0
    assert stub.paths() == [LOGIN, SWEEP]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_good_token_is_used_as_it_is(either_kit: Kit, stub: StubServer, end: str) -> None:
    token = a_token(3600, exp_note="exp", data={"exp": 1})
    either_kit.put_token(token + end)

    assert either_kit.call().code == 0

    assert stub.paths() == [SWEEP]
    assert stub.seen[0].headers["Authorization"] == f"Bearer {token}"


def test_401_gets_one_new_token_and_one_more_try(kit: Kit, stub: StubServer) -> None:
    kit.put_token(a_token(7200))
    new = a_token()
    stub.answer = lambda path, number: (
        (200, {"token": new}) if path == LOGIN else (401 if number == 1 else 200, {})
    )

    assert kit.call().code == 0

    assert stub.paths() == [SWEEP, LOGIN, SWEEP]
    assert stub.seen[-1].headers["Authorization"] == f"Bearer {new}"


def test_still_401_has_an_exit_code_and_no_third_try(kit: Kit, stub: StubServer) -> None:
    kit.put_token(a_token(7200))
    stub.answer = logging_in(a_token(), accepts=False)

    assert kit.call(RETRIES="3").code == 11
    assert stub.paths() == [SWEEP, LOGIN, SWEEP]


def test_credentials_arrive_unharmed(kit: Kit, stub: StubServer) -> None:
    stub.answer = logging_in(a_token())
    kit.settings["IAM_USERNAME"] = '值班"\\'

    assert kit.call().code == 0

    assert json.loads(stub.seen[0].body) == {"username": '值班"\\', "password": SECRET}
    assert stub.seen[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("way", ["basic", "post"])
def test_client_credentials_arrive_unharmed(kit: Kit, stub: StubServer, way: str) -> None:
    stub.answer = lambda path, _: (200, {"access_token": a_token()} if path == "/oauth2/token" else {})
    kit.settings |= {"CLIENT_ID": "a:b c", "CLIENT_SECRET": SECRET, "CLIENT_AUTH": way, "CLIENT_SCOPE": "x y"}

    assert kit.call().code == 0

    form = {
        name: value for name, [value] in parse_qs(stub.seen[0].body.decode(), strict_parsing=True).items()
    }
    if way == "basic":
        encoded = stub.seen[0].headers["Authorization"].removeprefix("Basic ")
        assert [unquote_plus(each) for each in base64.b64decode(encoded).decode().split(":")] == [
            "a:b c",
            SECRET,
        ]
        assert form == {"grant_type": "client_credentials", "scope": "x y"}
    else:
        assert form == {
            "grant_type": "client_credentials",
            "scope": "x y",
            "client_id": "a:b c",
            "client_secret": SECRET,
        }


def test_the_token_file_is_replaced_as_a_whole_and_nobody_elses_to_read(kit: Kit, stub: StubServer) -> None:
    stub.answer = logging_in(a_token())
    kit.put_token("nonsense")
    kit.token_file.chmod(0o644)
    before = kit.token_file.stat().st_ino

    assert kit.refresh().code == 0

    after = kit.token_file.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_ino != before) == (0o600, True)
    assert {each.name for each in kit.token_file.parent.iterdir()} == {
        "internal-token",
        "internal-token.lock",
        "scheduler.env",
    }


def test_calls_at_once_get_one_token_between_them(kit: Kit, stub: StubServer) -> None:
    stub.answer = logging_in(a_token())
    duties = ["/statistics/sync/daily", "/statistics/sync/plan", "/statistics/validate"]
    kit.write_settings()
    lock = kit.token_file.with_name("internal-token.lock")
    # Held from outside until all of them have found that there is no token.
    kit.shim("flock", f'[ "$1" = -w ] && echo waiting >> {kit.directory}/waiting; exec /usr/bin/flock "$@"')
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        calls = [kit.start(duty) for duty in duties]
        waiting = kit.directory / "waiting"
        wait_until(lambda: waiting.exists() and waiting.read_text().count("\n") == 3, "all of them wait")

    assert [call.wait().code for call in calls] == [0, 0, 0]
    assert stub.paths().count(LOGIN) == 1


@pytest.mark.parametrize("offset_s", [7200, -7200])
def test_a_clock_that_is_wrong_stops_nothing(kit: Kit, stub: StubServer, offset_s: int) -> None:
    kit.shim(
        "date",
        f'if [ "$1" = +%s ]; then echo $(($(/bin/date +%s) + {offset_s})); else exec /bin/date "$@"; fi',
    )
    # What the server knows to have expired looks good on a clock that is behind.
    kit.put_token(a_token(-60))
    new = a_token()
    stub.answer = lambda path, number: (
        (200, {"token": new})
        if path == LOGIN
        else (200 if stub.seen[-1].headers["Authorization"].endswith(new) else 401, {})
    )

    assert kit.call().code == 0
    assert ("check the clock" in kit.log) == (offset_s > 0)


def test_an_issuer_of_opaque_tokens_is_asked_again_only_on_401(kit: Kit, stub: StubServer) -> None:
    stub.answer = logging_in("ory_at_opaque-token~1+/==")
    kit.settings["TOKEN_FORMAT"] = "opaque"

    assert (kit.call().code, kit.call().code) == (0, 0)
    assert stub.paths() == [LOGIN, SWEEP, SWEEP]


@pytest.mark.parametrize(
    ("status", "code"), [(400, 13), (401, 11), (403, 12), (404, 13), (429, 13), (500, 14)]
)
def test_a_login_that_fails_has_an_exit_code_of_its_own(
    kit: Kit, stub: StubServer, status: int, code: int
) -> None:
    stub.answer = lambda *_: (status, {"detail": SECRET})

    refreshed, called = kit.refresh(), kit.call()

    assert (refreshed.code, called.code) == (code, 10)
    assert f"status {status}" in refreshed.out
    assert f"ended with {code}" in kit.log
    assert not kit.token_file.exists()


def test_an_issuer_that_is_away_has_an_exit_code(kit: Kit) -> None:
    kit.settings["IAM_LOGIN_URL"] = "http://127.0.0.1:1/login"

    assert (kit.refresh().code, kit.call().code) == (16, 10)


def test_without_credentials_nobody_is_asked(kit: Kit, stub: StubServer) -> None:
    del kit.settings["IAM_USERNAME"]

    assert kit.call().code == 10
    assert stub.seen == []
    assert "no credentials" in kit.log


def test_a_token_that_cannot_be_kept_is_said(kit: Kit, stub: StubServer) -> None:
    kit.settings["TOKEN_FILE"] = "/proc/qs/internal-token"

    assert kit.call().code == 10
    assert "/proc/qs cannot be written" in kit.log
    assert stub.seen == []


def test_a_refresh_script_of_their_own_is_used(kit: Kit, stub: StubServer) -> None:
    theirs, token = kit.directory / "theirs.sh", a_token()
    theirs.write_text(f'#!/bin/bash\necho "got $IAM_PASSWORD"\necho {token} > "$TOKEN_FILE"\n')
    theirs.chmod(0o755)

    assert kit.call(REFRESH_TOKEN_SCRIPT=str(theirs)).code == 0

    assert stub.seen[0].headers["Authorization"] == f"Bearer {token}"
    assert "got" not in kit.log


def test_no_secret_is_in_an_argument_list_or_in_a_log(kit: Kit, stub: StubServer) -> None:
    secret, old, new = "hunter2-hunter2", a_token(7200), a_token()
    kit.put_token(old)
    kit.settings |= {"IAM_PASSWORD": secret, "RETRIES": "2"}
    stub.answer = lambda path, number: (
        (500 if number == 1 else 200, {"token": new})
        if path == LOGIN
        else (401 if number == 1 else 200, {"token": new})
    )

    call = kit.call()

    assert call.code == 0
    assert stub.paths() == [SWEEP, LOGIN, LOGIN, SWEEP]
    assert all("curl" in seen.processes for seen in stub.seen)
    told = "".join(seen.processes for seen in stub.seen) + kit.log + call.out + call.err
    assert not any(each in told for each in (secret, old, new))
