"""What the login routes read and answer."""

from typing import Annotated

from msgspec import Meta, Struct

from qs.application.identity.logging_in import SessionTokens
from qs.domain.identity.credentials import LONGEST_PASSWORD, LONGEST_USERNAME
from qs.interface.rest.bodies import Body


class LoginBody(Body):
    username: Annotated[str, Meta(min_length=1, max_length=LONGEST_USERNAME, examples=["admin"])]
    password: Annotated[str, Meta(min_length=1, max_length=LONGEST_PASSWORD)]


class RefreshBody(Body):
    refresh_token: Annotated[str, Meta(min_length=1, max_length=512)]


class LoginAnswer(Struct):
    """Success envelope and OAuth token answer in one flat object, so that clients of either kind read it."""

    code: int
    message: str
    token: str
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds until the access token expires.")]

    @classmethod
    def of(cls, tokens: SessionTokens) -> "LoginAnswer":
        return cls(
            code=200,
            message="success",
            token=tokens.access_token,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            token_type="Bearer",  # noqa: S106 - the kind of token, not one
            expires_in=tokens.expires_in_s,
        )


class TokenAnswer(Struct):
    """A client's token as RFC 6749 §5.1 has it."""

    access_token: str
    token_type: str
    expires_in: int
    scope: Annotated[str, Meta(description="The scopes granted, with blanks between.")]


class TokenError(Struct):
    """A refusal as RFC 6749 §5.2 has it."""

    error: str
    error_description: str
