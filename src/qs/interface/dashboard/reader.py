"""Who looks at a page and how they like to read it: language, theme and time zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from litestar import Request

from qs.domain.identity.principal import Principal
from qs.interface.dashboard.cookies import cookie_of
from qs.interface.rest.languages import LANGUAGES, Language, preferred
from qs.settings import Settings

THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Reader:
    """``user`` is None on the pages before somebody signs in."""

    user: Principal | None
    language: Language
    theme: str
    zone: str

    def may(self, *scopes: str) -> bool:
        """Whether they hold any of the scopes."""
        return self.user is not None and self.user.may_any(scopes)

    def local(self, at: datetime) -> datetime:
        """An instant on the reader's clock."""
        return at.astimezone(zone_named(self.zone) or UTC)


def reader_of(request: Request[Any, Any, Any]) -> Reader:
    """The reader, by what the cookies say they like, else by their browser and the installation."""
    settings: Settings = request.app.state.container.settings()
    ours: Language = "zh" if settings.lang.startswith("zh") else "en"
    asked = preferred(request.headers.get("accept-language", ""), ours)
    scope = request.scope
    zone = (cookie_of(scope, "qs-zone") or "").replace("~", "/")
    return Reader(
        user=scope.get("user"),
        language=_one_of(cookie_of(scope, "qs-language"), LANGUAGES, asked),
        theme=_one_of(cookie_of(scope, "qs-theme"), THEMES, "auto"),
        zone=zone if zone_named(zone) else settings.timezone,
    )


@lru_cache(1000)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA time zone of that name; None when there is none."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _one_of(value: str | None, known: Iterable[Any], default: Any) -> Any:
    return value if value in known else default
