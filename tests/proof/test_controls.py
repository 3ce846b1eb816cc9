"""A harness that catches no bug proves nothing: each of these must be caught, and nothing where there is none."""

import pytest

from tests.proof import patching
from tests.proof.bugs import BUGS
from tests.proof.controls import MOST_ROUNDS, catch, found_without
from tests.proof.provoking import PROVOKED_BY
from tests.proof.servers import Servers


# A bug that is not caught takes its hundred rounds.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BUGS)
async def test_a_deliberate_bug_is_caught(proof_servers: Servers, name: str, seed: int, record_property):
    caught = await catch(proof_servers, name, seed)

    record_property("rounds", caught.rounds)
    assert caught.rounds is not None, (
        f"{MOST_ROUNDS} rounds with seed {seed} did not show {' or '.join(BUGS[name].breaks)} broken, although"
        f" somebody forgot: {BUGS[name].forgotten} What was found: {caught.sentences}"
    )


@pytest.mark.timeout(300)
async def test_the_same_scenarios_find_nothing_where_nothing_was_forgotten(proof_servers: Servers, seed: int):
    assert await found_without(proof_servers, PROVOKED_BY, seed) == [], f"seed {seed}"


def test_every_bug_has_a_scenario_and_says_what_was_forgotten():
    assert PROVOKED_BY.keys() == BUGS.keys()
    assert [name for name, bug in BUGS.items() if not bug.forgotten or not bug.breaks] == []


def test_every_invariant_is_broken_by_a_bug():
    broken = {invariant for bug in BUGS.values() for invariant in bug.breaks}

    assert broken == {f"I{number}" for number in range(1, 11)}


def test_a_bug_that_no_longer_fits_the_product_fails_loudly():
    class Product:
        statement = "SELECT 1"

    with pytest.raises(patching.Stale, match="no gone of its own"):
        patching.replace(Product, "gone", None)
    with pytest.raises(patching.Stale, match="no longer says 'FOR UPDATE'"):
        patching.without(Product, "statement", "FOR UPDATE")
