"""Why the identity context says no. One class per cause; none ever repeats a password, a secret or a token."""

from collections.abc import Iterable

from qs.domain.kernel.errors import (
    Absent,
    Forbidden,
    Invalid,
    Limited,
    Problem,
    Refused,
    Unauthenticated,
    Unavailable,
)


class BadCredentials(Unauthenticated):
    """One sentence for a wrong password, an unknown and a disabled user, so that nothing can be learnt by trying."""

    code = "auth.bad_credentials"
    sentence = "the user name or the password is wrong, so nobody is logged in; check both and try again"


class BadClientCredentials(Unauthenticated):
    code = "auth.bad_client_credentials"
    sentence = "the client id or its secret is wrong, so no token is issued; check both, or create a new service account"


class TokenMissing(Unauthenticated):
    code = "auth.token_missing"
    sentence = "no access token came with the request, so the caller is not known; send Authorization: Bearer <token>"


class TokenInvalid(Unauthenticated):
    """Malformed, forged, expired, foreign, or of an account that is disabled: one answer for all."""

    code = "auth.token_invalid"
    sentence = "the access token is not valid any more or never was; log in again or refresh it"


class RefreshTokenInvalid(Unauthenticated):
    """Unknown, expired, used before, or of an account that is disabled: one answer for all."""

    code = "auth.refresh_token_invalid"
    sentence = "the refresh token is not valid, so the session cannot go on; log in again"


class TooManyAttempts(Limited):
    code = "auth.too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "too many wrong passwords for this user from this address, so the next try has to wait; "
            f"try again in {retry_after} s",
            retry_after=retry_after,
        )


class ScopeMissing(Forbidden):
    """The caller is known, but holds none of ``scopes``, any of which would do."""

    code = "auth.scope_missing"

    def __init__(self, scopes: Iterable[str], sentence: str | None = None) -> None:
        self.scopes = tuple(scopes)
        needed = " or ".join(self.scopes)
        super().__init__(
            sentence
            or f"this needs the scope {needed}, which the caller does not hold; ask an administrator for a role that has it"
        )


class PlatformAccountConfined(Forbidden):
    code = "auth.platform_account"
    sentence = (
        "a platform account belongs to no tenant, so it reaches the duties, the scheduler and the metrics only; "
        "use an account of the tenant"
    )


class RouteUndeclared(Forbidden):
    """A route that says neither which scope it needs nor that it is public; nobody may use it."""

    code = "auth.route_undeclared"
    sentence = "this route does not say who may use it, so nobody may; report it with the request id"


class UsernameUnfit(Invalid):
    code = "user.username_unfit"

    def __init__(self) -> None:
        super().__init__(
            [
                Problem(
                    "/username",
                    "must be 1 to 128 letters, digits and . _ @ + -, and begin with a letter or digit",
                )
            ]
        )


class PasswordUnfit(Invalid):
    """The password is too short, too long or too well known; no sentence shows it."""

    code = "user.password_unfit"

    def __init__(self, details: Iterable[str]) -> None:
        super().__init__(Problem("/password", detail) for detail in details)


class RoleUnknown(Invalid):
    code = "user.role_unknown"

    def __init__(self, roles: Iterable[str], known: Iterable[str]) -> None:
        expected = ", ".join(known)
        super().__init__(
            Problem("/roles", f"{role[:64]!r} is not a role; expected {expected}") for role in roles
        )


class TenantInvalid(Invalid):
    code = "tenant.invalid"


class ServiceAccountInvalid(Invalid):
    code = "service_account.invalid"


class TenantAbsent(Absent):
    code = "tenant.absent"
    sentence = "there is no such tenant; check the id, or see the list of tenants"

    def __init__(self, slug: str | None = None) -> None:
        super().__init__(None if slug is None else f"there is no tenant {slug!r}; see `qs tenant list`")


class SlugTaken(Refused):
    code = "tenant.slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"there is a tenant {slug!r} already; choose another short name")


class TenantReserved(Refused):
    code = "tenant.reserved"
    sentence = (
        "this tenant belongs to qs itself, so it cannot be used or changed like others; use another one"
    )


class TenantChanged(Refused):
    code = "tenant.changed"
    sentence = "somebody else changed this tenant at the same time; read it again and repeat the change"


class TenantsForOperators(Forbidden):
    code = "tenant.for_operators"
    sentence = (
        "tenants are created, suspended and given quotas by administrators of the default tenant, which the caller is "
        "not; leave status and quotas out, or ask one of them"
    )


class OwnTenantSuspended(Refused):
    code = "tenant.own"
    sentence = (
        "this is the tenant the caller belongs to, and suspending it would shut the caller out; "
        "use `qs tenant set` where qs runs if that is meant"
    )


class UserAbsent(Absent):
    code = "user.absent"
    sentence = "there is no such user in this tenant; check the id, or see the list of users"

    def __init__(self, username: str | None = None) -> None:
        super().__init__(
            None if username is None else f"there is no user {username!r} in this tenant; see `qs user list`"
        )


class LastAdministrator(Refused):
    code = "user.last_administrator"
    sentence = (
        "this is the last administrator of the tenant who may log in, and without one nobody could let others in; "
        "give another user the role admin first"
    )


class UsernameTaken(Refused):
    code = "user.username_taken"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"the user name {username!r} is taken; user names are unique over all tenants; choose another"
        )


class ServiceAccountAbsent(Absent):
    code = "service_account.absent"
    sentence = (
        "there is no such service account in this tenant; check the id, or see the list of service accounts"
    )

    def __init__(self, name: str | None = None) -> None:
        super().__init__(
            None
            if name is None
            else f"there is no service account {name!r} in this tenant; see `qs service-account list`"
        )


class ServiceAccountDisabled(Refused):
    code = "service_account.disabled"
    sentence = (
        "this service account is disabled, so no secret of it would work; create another service account"
    )


class ServiceAccountNameTaken(Refused):
    code = "service_account.name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a service account {name!r} already; choose another name")


class ScopeUnknown(Invalid):
    code = "scope.unknown"

    def __init__(self, scopes: Iterable[str], known: Iterable[str]) -> None:
        expected = ", ".join(known)
        super().__init__(
            Problem("/scopes", f"{scope[:64]!r} is not a scope; expected {expected}")
            for scope in sorted(scopes)
        )


class ScopeNotForPlatform(Invalid):
    code = "scope.not_for_platform"

    def __init__(self, scopes: Iterable[str]) -> None:
        super().__init__(
            Problem("/scopes", f"{scope!r} reaches a tenant's data; a platform account cannot hold it")
            for scope in sorted(scopes)
        )


class ScopeNotGranted(Forbidden):
    """A client asked for a scope that its account does not hold."""

    code = "scope.not_granted"

    def __init__(self, scopes: Iterable[str]) -> None:
        listed = " ".join(sorted(scopes))
        super().__init__(
            f"the account does not hold {listed[:200]}; ask for less, or leave the scope out for all it holds"
        )


class ProviderTokenRefused(TokenInvalid):
    """``reason`` is for the log of whoever runs the installation; the caller hears what every bad token hears."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__()


class ProviderAway(Unavailable):
    """Whether the token is good is for the identity provider to say, and it does not answer as it should."""

    code = "auth.provider_away"
    sentence = (
        "the identity provider does not answer, so it cannot be told who is calling; "
        "try again in a moment with the same token"
    )


class LoginElsewhere(Refused):
    code = "auth.login_elsewhere"
    sentence = (
        "people log in at the identity provider of this installation, so there is no login by password here; "
        "get a token from the provider and send it as Authorization: Bearer <token>"
    )


class ApiKeyInvalid(Invalid):
    code = "api_key.invalid"


class ApiKeyAbsent(Absent):
    code = "api_key.absent"
    sentence = "there is no such API key in this tenant; check the id, or see the list of keys"


class TwoKeysActive(Refused):
    code = "api_key.two_active"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"two API keys named {name!r} are active already, which is one more than rotation needs; "
            "revoke the older one, or choose another name"
        )
