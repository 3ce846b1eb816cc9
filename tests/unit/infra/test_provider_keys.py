"""Which keys of a provider's set are used, and for what."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from jwt.algorithms import RSAAlgorithm

from qs.infra.auth.provider_keys import usable_keys


@pytest.fixture(scope="module")
def rsa() -> dict[str, Any]:
    return dict(RSAKey.generate_key(2048, {"kid": "k"}).as_dict(private=False))


def found(*keys: Any) -> set[tuple[str, str]]:
    return {name for name, _ in usable_keys({"keys": list(keys)})}


def test_a_key_verifies_the_algorithms_of_its_type(rsa: dict[str, Any]) -> None:
    elliptic = ECKey.generate_key("P-256", {"kid": "e"}).as_dict(private=False)
    edwards = OKPKey.generate_key("Ed25519", {"kid": "o"}).as_dict(private=False)

    assert found(rsa, elliptic, edwards) == {("k", "RS256"), ("k", "PS256"), ("e", "ES256"), ("o", "EdDSA")}


def test_a_key_that_names_its_algorithm_verifies_no_other(rsa: dict[str, Any]) -> None:
    assert found(rsa | {"alg": "PS256"}) == {("k", "PS256")}
    for other in ("RS512", "RSA-OAEP", "HS256", "none", 7):
        assert found(rsa | {"alg": other}) == set()


def test_a_key_that_is_for_something_else_is_passed_over(rsa: dict[str, Any]) -> None:
    assert found(rsa | {"use": "sig", "key_ops": ["verify"]})
    for changed in ({"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"kid": ""}, {"kid": 1}):
        assert found(rsa | changed) == set()
    assert found({name: value for name, value in rsa.items() if name != "kid"}) == set()


def test_weak_secret_and_broken_keys_are_passed_over_and_the_others_used(rsa: dict[str, Any]) -> None:
    short = generate_private_key(65537, 1024).public_key()
    weak = RSAAlgorithm.to_jwk(short, as_dict=True) | {"kid": "weak"}
    secret = OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True)
    curve = ECKey.generate_key("P-384", {"kid": "curve"}).as_dict(private=False)
    broken = [rsa | {"n": "!"}, rsa | {"n": 7}, rsa | {"e": ""}, {"kty": ["RSA"], "kid": "k"}, None, "key", 7]

    assert found(weak, secret, curve, *broken) == set()
    assert found(weak, secret, curve, *broken, rsa) == {("k", "RS256"), ("k", "PS256")}


def test_of_a_private_key_only_the_public_half_is_kept() -> None:
    private = RSAKey.generate_key(2048, {"kid": "p"}).as_dict(private=True)

    keys = dict(usable_keys({"keys": [private]}))

    assert keys
    assert not any(hasattr(key, "private_numbers") for key in keys.values())


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"keys": 7}])
def test_what_is_no_set_holds_no_keys(document: dict[str, Any]) -> None:
    assert list(usable_keys(document)) == []
