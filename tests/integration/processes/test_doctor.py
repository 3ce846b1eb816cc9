"""What the doctor finds out about the identity provider and the audit log."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from qs.container import build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.settings import Settings, SettingsError, load_settings
from tests.integration.identity.conftest import provider, provider_process
from tests.support.certificates import make_certificate
from tests.support.command_line import called
from tests.support.identity_provider import CLIENTS
from tests.support.provider_process import AUDIENCE, ISSUER, Provider, claims, new_key

__all__ = ["provider", "provider_process"]

SECRET_KEY = "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa"
PROVIDER, CLOCK = "identity provider", "identity provider clock"


@pytest.fixture
def installation(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": SECRET_KEY,
        "QS_DATABASE_URL": settings.database.url or "",
        "QS_REDIS_URL": settings.redis.url or "",
    }


@pytest.fixture
def by_keys(installation: dict[str, str], provider: Provider) -> dict[str, str]:
    return installation | jwks(provider)


@pytest.fixture
def by_asking(installation: dict[str, str], provider: Provider) -> dict[str, str]:
    return installation | {
        "QS_AUTH_MODE": "introspection",
        "QS_AUTH__ISSUER": ISSUER,
        "QS_AUTH__AUDIENCE": AUDIENCE,
        "QS_AUTH__INTROSPECTION_URL": f"{provider.url}/oauth2/introspect",
        "QS_AUTH__CLIENT_ID": "qs",
        "QS_AUTH__CLIENT_SECRET": CLIENTS["qs"],
    }


def jwks(provider: Provider) -> dict[str, str]:
    return {
        "QS_AUTH_MODE": "jwks",
        "QS_AUTH__ISSUER": ISSUER,
        "QS_AUTH__AUDIENCE": AUDIENCE,
        "QS_AUTH__JWKS_URL": f"{provider.url}/jwks",
    }


def findings(given: Mapping[str, str]) -> dict[str, Any]:
    """What the doctor found, by subject; an error makes it exit with 1, and only that."""
    found = called(given, "doctor", "--json")
    told = {each["subject"]: each for each in json.loads(found.stdout)["findings"]}
    assert found.returncode == int(any(each["severity"] == "error" for each in told.values())), found.stderr
    return told


def test_of_a_sound_provider_it_says_which_keys_may_be_used(
    by_keys: dict[str, str], provider: Provider
) -> None:
    provider.change(keys=[provider.first_key, new_key("second", "EdDSA")])

    found = findings(by_keys)

    assert (found[PROVIDER]["severity"], found[CLOCK]["severity"]) == ("ok", "ok")
    for key in ("first (RS256)", "second (EdDSA)"):
        assert key in found[PROVIDER]["what"]


def test_of_a_sound_provider_it_asks_about_a_token_that_never_was(by_asking: dict[str, str]) -> None:
    found = findings(by_asking)

    assert (found[PROVIDER]["severity"], found[CLOCK]["severity"]) == ("ok", "ok")


@pytest.mark.parametrize(
    ("state", "code", "what", "todo"),
    [
        (
            {"fault": [200, "application/json", '{"keys": []}']},
            "provider.no_keys",
            "no key that may be used",
            "RS256",
        ),
        ({"fault": [404, "text/html", "<h1>Not here</h1>"]}, "provider.away", "status 404", "auth.jwks_url"),
        ({"fault": "redirect"}, "provider.away", "status 302", "auth.jwks_url"),
        (
            {"fault": [200, "text/html", "<h1>Log in</h1>"]},
            "provider.away",
            "no JSON object",
            "auth.jwks_url",
        ),
    ],
    ids=["no keys", "not found", "redirect", "a page"],
)
def test_keys_that_cannot_be_had_are_wrong(
    by_keys: dict[str, str], provider: Provider, state: dict[str, Any], code: str, what: str, todo: str
) -> None:
    provider.change(**state)

    found = findings(by_keys)[PROVIDER]

    assert (found["code"], found["severity"]) == (code, "error")
    assert what in found["what"]
    assert todo in found["todo"]


@pytest.mark.parametrize(
    ("state", "code", "what", "todo"),
    [
        (
            {"fault": [401, "application/json", '{"error": "invalid_client"}']},
            "provider.away",
            "status 401",
            "auth.client_id",
        ),
        (
            {"fault": [200, "application/json", '{"active": true}']},
            "provider.useless",
            "made-up token",
            "auth.introspection_url",
        ),
        (
            {"fault": [200, "application/json", "{}"]},
            "provider.useless",
            "RFC 7662",
            "auth.introspection_url",
        ),
        ({"fault": [500, "text/html", ""]}, "provider.away", "status 500", "auth.introspection_url"),
    ],
    ids=["our credentials", "everything is active", "nothing said", "an error"],
)
def test_answers_that_are_of_no_use_are_wrong(
    by_asking: dict[str, str], provider: Provider, state: dict[str, Any], code: str, what: str, todo: str
) -> None:
    provider.change(**state)

    found = findings(by_asking)[PROVIDER]

    assert (found["code"], found["severity"]) == (code, "error")
    assert what in found["what"]
    assert todo in found["todo"]


def test_a_provider_that_is_away_is_wrong(by_keys: dict[str, str], provider: Provider) -> None:
    provider.stop()

    found = findings(by_keys)

    assert found[PROVIDER]["severity"] == "error"
    assert "start it" in found[PROVIDER]["todo"]
    assert CLOCK not in found


@pytest.mark.parametrize(
    ("ahead_s", "code", "shown"),
    [
        (-12, "provider.clock_drift", "-1"),
        (12, "provider.clock_drift", "+1"),
        (90, "provider.clock", "+"),
        (-90, "provider.clock", "-"),
    ],
)
def test_a_provider_whose_clock_differs_is_told_of(
    by_keys: dict[str, str], provider: Provider, ahead_s: int, code: str, shown: str
) -> None:
    provider.change(ahead_s=ahead_s)

    found = findings(by_keys)[CLOCK]

    assert found["code"] == code
    assert found["what"].startswith(shown)
    assert "NTP" in found["todo"]


def test_without_a_provider_nothing_is_said_of_one(installation: dict[str, str]) -> None:
    assert {PROVIDER, CLOCK} & findings(installation).keys() == set()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that no public authority signed, and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(pair: tuple[Path, Path]) -> Iterator[Provider]:
    """A provider that speaks TLS with it."""
    provider = Provider(pair)
    yield provider
    provider.close()


class TestInternalAuthority:
    """The provider speaks TLS, with a certificate that no public authority signed."""

    def test_its_certificate_is_believed_once_its_authority_is_named(
        self, installation: dict[str, str], secure: Provider, pair: tuple[Path, Path]
    ) -> None:
        unnamed = findings(installation | jwks(secure))[PROVIDER]
        named = findings(installation | jwks(secure) | {"QS_AUTH__CA_FILE": str(pair[0])})[PROVIDER]

        assert (unnamed["severity"], named["severity"]) == ("error", "ok")
        assert "certificate is not believed" in unnamed["what"]
        assert "auth.ca_file" in unnamed["todo"]

    def test_another_authority_does_not_do(
        self, installation: dict[str, str], secure: Provider, tmp_path: Path
    ) -> None:
        other, _ = make_certificate(tmp_path)

        found = findings(installation | jwks(secure) | {"QS_AUTH__CA_FILE": str(other)})[PROVIDER]

        assert found["severity"] == "error"
        assert "certificate is not believed" in found["what"]

    def test_people_come_in_with_its_tokens(
        self, installation: dict[str, str], secure: Provider, pair: tuple[Path, Path]
    ) -> None:
        async def who(given: dict[str, str]) -> Any:
            container = build_container(load_settings(None, given))
            try:
                return await container.authentication().authenticate(secure.signed(claims()))
            finally:
                await close(container)

        known = installation | jwks(secure) | {"QS_AUTH__CA_FILE": str(pair[0])}

        assert asyncio.run(who(known)).tenant_id == DEFAULT_TENANT

    def test_a_file_without_certificates_stops_the_start(
        self, installation: dict[str, str], secure: Provider, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        (tmp_path / "empty").touch()
        for file in (pair[1], tmp_path / "empty", tmp_path / "nowhere", tmp_path):
            with pytest.raises(SettingsError, match=r"auth\.ca_file: .* holds no certificates"):
                load_settings(None, installation | jwks(secure) | {"QS_AUTH__CA_FILE": str(file)})

    def test_it_is_not_read_in_builtin(self, installation: dict[str, str], pair: tuple[Path, Path]) -> None:
        with pytest.raises(SettingsError, match=r"auth\.ca_file: is not read with auth\.mode builtin"):
            load_settings(None, installation | {"QS_AUTH__CA_FILE": str(pair[0])})


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (None, "ok"),
        ("5 seconds", "ok"),
        ("3 minutes", "audit.waiting"),
        ("11 minutes", "audit.unsealed"),
    ],
)
def test_records_that_nobody_seals_are_told_of_by_their_age(
    installation: dict[str, str], age: str | None, code: str
) -> None:
    async def write() -> None:
        connection = await asyncpg.connect(installation["QS_DATABASE_URL"])
        await connection.execute(
            "INSERT INTO audit (id, tenant_id, at, business_at, actor, action, object_kind, detail)"
            " VALUES (gen_random_uuid(), $1, now() - $2::text::interval, now(), 'user:anna', 'a', 'plan', '{}')",
            DEFAULT_TENANT,
            age,
        )
        await connection.close()

    if age is not None:
        asyncio.run(write())

    found = findings(installation)["audit log"]

    assert found["code"] == code
    assert bool(found["todo"]) is (code != "ok")
