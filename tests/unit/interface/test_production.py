"""What production does not start with: one table, each row with the key that is named."""

import random
import secrets
import string
from pathlib import Path

import pytest

from qs.settings import SettingsError, load_settings
from qs.settings.guessing import KEY_BITS, PASSWORD_BITS, is_guessable

KEY = "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa"
GOOD = {"QS_ENV": "production", "QS_SECRET_KEY": KEY}
ADMIN = {"QS_ADMIN_USERNAME": "ward"}
INTROSPECTION = {
    "QS_AUTH_MODE": "introspection",
    "QS_AUTH__INTROSPECTION_URL": "https://hydra.example.org/admin/oauth2/introspect",
    "QS_AUTH__ISSUER": "https://hydra.example.org/",
    "QS_AUTH__AUDIENCE": "qs-api",
    "QS_AUTH__CLIENT_ID": "qs",
}
WEBHOOK = {
    "QS_NOTIFICATION__CHANNELS": "webhook",
    "QS_NOTIFICATION__WEBHOOK__URL": "https://hook.example.org/x",
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No qs.yaml of the working directory is read by accident."""
    monkeypatch.chdir(tmp_path)


WEAK_KEYS = [
    "k1:" + "a" * 40,
    "k1:" + "ab" * 20,
    "k1:" + "0123456789abcdef" * 3,
    "k1:" + "Zq3vX9bT7mLw2RcY" * 2,
    "k1:" + "Zq3vX9bT7mLw2RcY" * 2 + "Zq3v",
    "k1:abcdefghijklmnopqrstuvwxyz0123456789",
    "k1:zyxwvutsrqponmlkjihgfedcba987654321",
    "k1:change-me-change-me-change-me-change-me",
    "k1:ChangeMe_ChangeMe_ChangeMe_ChangeMe!",
    "k1:your-secret-key-for-production-only!!",
    "k1:this-is-not-a-secret-please-change-me",
    "k1:<a-random-key-of-32-characters-here>",
    "k1:${QS_SECRET_KEY_OF_THE_CLUSTER_VAULT}",
    "k1:{{vault.production.qs.signing_value}}",
    "k1:aaaaaaaabbbbbbbbccccccccddddddddeeee",
    f"{KEY},k0:" + "a" * 40,
]
WEAK_PASSWORDS = [
    "hunter2",
    "password12345",
    "Passw0rd!Passw0rd!",
    "changeme-changeme",
    "adminadminadmin",
    "ward-ward-ward",
    "letmein-letmein",
    "123456789012",
    "qwertyqwerty123",
    "${ADMIN_PASSWORD}",
    "aaaaaaaaaaaaaaaa",
    "abcdefghijklm",
]
WEAK_SECRETS = ["secret", "changeme", "qs-client-secret", "aaaaaaaaaaaaaaaa", "<client-secret>"]
ADDRESSES = {
    "QS_DATABASE_URL": "database.url",
    "QS_MIGRATION_DATABASE_URL": "database.migration_url",
    "QS_REDIS_URL": "redis.url",
}
KNOWN_ADDRESSES = [
    ("QS_DATABASE_URL", "postgresql://postgres:postgres@db/qs"),
    ("QS_DATABASE_URL", "postgresql://app:PASSWORD@127.0.0.1/qs"),
    ("QS_DATABASE_URL", "postgresql://clinic:clinic@db/x"),
    ("QS_DATABASE_URL", "postgresql://app:assessments@db/assessments"),
    ("QS_DATABASE_URL", "postgresql://app:%70ostgres@db/x"),
    ("QS_MIGRATION_DATABASE_URL", "postgresql://owner:changeme@db/qs"),
    ("QS_REDIS_URL", "redis://:redis@cache:6379/0"),
    ("QS_REDIS_URL", "rediss://default:default@cache:6379/0"),
]
REFUSED: list[tuple[dict[str, str], str, str]] = [
    ({"QS_SECRET_KEY": ""}, "secret_key", "is missing"),
    ({"QS_SECRET_KEY": "k1:short"}, "secret_key", "shorter than 32"),
    ({"QS_SECRET_KEY": KEY.removeprefix("k1:")}, "secret_key", "id:key"),
    *(({"QS_SECRET_KEY": key}, "secret_key", "can be guessed") for key in WEAK_KEYS),
    *((ADMIN | {"QS_ADMIN_PASSWORD": each}, "auth.admin_password", "guessed") for each in WEAK_PASSWORDS),
    (
        {"QS_ADMIN_USERNAME": "Administrator99", "QS_ADMIN_PASSWORD": "administrator99"},
        "auth.admin_password",
        "g",
    ),
    *(
        (INTROSPECTION | {"QS_AUTH__CLIENT_SECRET": each}, "auth.client_secret", "guessed")
        for each in WEAK_SECRETS
    ),
    *(
        (WEBHOOK | {"QS_NOTIFICATION__WEBHOOK__SECRETS": each}, "notification.webhook.secrets", "guessed")
        for each in ("whsec_short", "whsec_" + "c2VjcmV0" * 5, "whsec_" + "a" * 40)
    ),
    *(({name: address}, ADDRESSES[name], "everybody knows") for name, address in KNOWN_ADDRESSES),
    ({"QS_HOST": "0.0.0.0"}, "server.host", "without TLS"),
    ({"QS_HOST": "::"}, "server.host", "without TLS"),
    ({"QS_HOST": "qs.example.org"}, "server.host", "without TLS"),
    (
        {"QS_HOST": "0.0.0.0", "QS_SERVER__TRUSTED_PROXIES": "0.0.0.0/0"},
        "server.trusted_proxies",
        "anybody may say",
    ),
    ({"QS_SERVER__TRUSTED_PROXIES": "10.0.0.0/8,::/0"}, "server.trusted_proxies", "anybody may say"),
    ({"QS_CORS_ORIGINS": "https://app.example.org,*"}, "server.cors_origins", "every site"),
    ({"QS_ENTRY_BASE_URL": "http://answer.example.org/e"}, "entry.base_url", "in clear"),
    ({"QS_SERVER__TLS__CERT_FILE": "/nowhere.pem"}, "server.tls.key_file", "needs both"),
]


@pytest.mark.parametrize(("environ", "key", "words"), REFUSED, ids=lambda value: str(value)[:70])
def test_production_is_refused_by_the_name_of_the_key(environ: dict[str, str], key: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(None, GOOD | environ)

    named = {problem.pointer: problem.detail for problem in refused.value.problems}
    assert words in named[key]
    told = str(refused.value)
    assert [each for name, each in environ.items() if _is_secret(name, each) and each in told] == []


def _is_secret(name: str, value: str) -> bool:
    return ("SECRET" in name or "PASSWORD" in name) and len(value) > 8


@pytest.mark.parametrize(("environ", "key", "words"), REFUSED[3:23], ids=lambda value: str(value)[:70])
def test_outside_production_what_can_be_guessed_is_good_enough(
    environ: dict[str, str], key: str, words: str
) -> None:
    assert load_settings(None, environ).env == "development"


ACCEPTED = [
    {},
    ADMIN | {"QS_ADMIN_PASSWORD": "correct horse battery staple"},
    ADMIN | {"QS_ADMIN_PASSWORD": "Tr0ub4dor&3-x9"},
    INTROSPECTION | {"QS_AUTH__CLIENT_SECRET": "nH7t-q2Wz-91bc"},
    WEBHOOK | {"QS_NOTIFICATION__WEBHOOK__SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    {"QS_DATABASE_URL": "postgresql://app@db/qs", "QS_REDIS_URL": "redis://cache/0"},
    {"QS_DATABASE_URL": "postgresql://app:f81d4fae7dec@db/qs"},
    {"QS_DATABASE_URL": "postgresql:///qs?host=/run/postgresql"},
    {"QS_HOST": "0.0.0.0", "QS_SERVER__TRUSTED_PROXIES": "10.0.0.0/8"},
    {"QS_ENTRY_BASE_URL": "https://answer.example.org/e"},
    {"QS_ENTRY_BASE_URL": "http://localhost:8080/entry"},
]


@pytest.mark.parametrize("environ", ACCEPTED, ids=lambda value: str(value)[:70])
def test_production_starts_with_secrets_of_its_own_and_nothing_open(environ: dict[str, str]) -> None:
    assert load_settings(None, GOOD | environ).env == "production"


def test_a_random_secret_is_never_taken_for_one_that_can_be_guessed() -> None:
    chance = random.Random(7)
    letters = string.ascii_letters + string.digits

    refused = [
        secret
        for _ in range(2000)
        for secret, bits in (
            (secrets.token_urlsafe(24), KEY_BITS),
            (chance.randbytes(16).hex(), KEY_BITS),
            ("".join(chance.choices(letters, k=12)), PASSWORD_BITS),
        )
        if is_guessable(secret, bits)
    ]

    assert refused == []
