"""Settings for tests."""

from pathlib import Path

from qs.settings import Settings
from qs.settings.sections import DatabaseSettings, EntrySettings, RedisSettings

SECRET_KEY = "test:0123456789abcdef0123456789abcdef0123456789"


def make_settings(database_url: str, redis_url: str, home: Path) -> Settings:
    """A test installation; replace single values with ``msgspec.structs.replace``."""
    return Settings(
        env="test",
        home=home,
        secret_key=SECRET_KEY,
        database=DatabaseSettings(url=database_url, migration_url=database_url),
        redis=RedisSettings(url=redis_url),
        entry=EntrySettings(base_url="https://answer.example.org/e"),
    )
