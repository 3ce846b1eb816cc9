"""Cookies of the dashboard: the session, which is a credential, and how somebody likes to read, which is not."""

from typing import Any

from litestar.datastructures import Cookie

_YEAR_S = 365 * 86400


def session_cookie_name(scheme: str) -> str:
    """``__Host-`` binds the cookie to this host, and browsers take it over HTTPS only (RFC 6265bis §4.1.3.2)."""
    return "__Host-qs" if scheme == "https" else "qs"


def session_cookie(scheme: str, value: str) -> Cookie:
    """The cookie of a session, which ends with the browser's; an empty ``value`` takes it away."""
    return Cookie(
        session_cookie_name(scheme),
        value=value,
        path="/",
        httponly=True,
        samesite="lax",
        secure=scheme == "https",
        max_age=None if value else 0,
    )


def liking_cookie(scheme: str, name: str, value: str) -> Cookie:
    """The cookie of one of the likings: language, theme, zone."""
    return Cookie(
        f"qs-{name}",
        value=value,
        path="/dashboard",
        httponly=True,
        samesite="lax",
        secure=scheme == "https",
        max_age=_YEAR_S,
    )


def cookie_of(scope: Any, name: str) -> str | None:
    """A cookie of the request; None when it is not there, or there twice, as when somebody else planted one."""
    found = [
        value
        for header, line in scope["headers"]
        if header == b"cookie"
        for key, _, value in (pair.strip().partition("=") for pair in line.decode("latin-1").split(";"))
        if key == name
    ]
    return found[0] if len(found) == 1 else None
