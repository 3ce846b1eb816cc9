"""Links that stop messages: they hold their wish, and show nothing of it."""

from base64 import urlsafe_b64decode
from uuid import UUID

import pytest

from qs.application.kernel.opt_out_links import OptOutWish
from qs.infra.auth.keys import Keyring
from qs.infra.plan.opt_out_links import SealedOptOutLinks

OLD, NEW = "k1:" + "o" * 32, "k2:" + "n" * 32
WISH = OptOutWish(UUID(int=1), UUID(int=2), "email", UUID(int=3))


def links(keys: str = OLD, base: str | None = "https://qs.example.org/unsubscribe/") -> SealedOptOutLinks:
    return SealedOptOutLinks(Keyring.parse(keys), base)


def token_of(made_by: SealedOptOutLinks, wish: OptOutWish = WISH) -> str:
    url = made_by.url(wish)
    assert url is not None
    return url.removeprefix("https://qs.example.org/unsubscribe/")


@pytest.mark.parametrize(
    "wish", [WISH, OptOutWish(UUID(int=9), UUID(int=2**128 - 1), "sms", None)], ids=["plan", "everywhere"]
)
def test_a_link_is_read_as_it_was_made_and_is_the_same_each_time(wish: OptOutWish) -> None:
    token = token_of(links(), wish)

    assert links().read(token) == wish
    assert token_of(links(), wish) == token
    assert "/" not in token


def test_a_link_shows_nobody_whose_it_is() -> None:
    raw = urlsafe_b64decode(token_of(links()) + "==")

    for hidden in (WISH.tenant_id.bytes, WISH.testee_id.bytes, b"email"):
        assert hidden not in raw


def test_a_link_lives_as_long_as_its_key() -> None:
    token = token_of(links())

    assert links(f"{NEW},{OLD}").read(token) == WISH
    assert links(NEW).read(token) is None
    assert links("k1:" + "x" * 32).read(token) is None


def test_whatever_is_no_link_is_none() -> None:
    token = token_of(links())

    # The last character may stand for the same bytes as its neighbour; only the one that was written is read.
    altered = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    others = ["", "A", token[:-1], token + "A", token + "=", " " + token, "é", "=" * 8, "A" * 5000]
    assert [each for each in (*altered, *others) if links().read(each) is not None] == []


def test_without_an_address_there_is_no_link() -> None:
    assert links(base=None).url(WISH) is None
