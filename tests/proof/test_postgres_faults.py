"""A part of the cuts and restarts of `make proof`, small enough for every change."""

import pytest

from tests.proof.postgres_faults import commit_cuts, postgres_restarts

# Generous, for a machine that has more to do; alone they take half a minute.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(400)]


async def test_what_is_cut_off_at_commit_is_neither_lost_nor_doubled(proof_servers, seed):
    figures = await commit_cuts(proof_servers, seed, 0.1, print)

    assert figures.holds, "\n".join(figures.lines("commit_cuts"))


async def test_restarts_of_postgresql_lose_and_double_nothing(proof_servers, seed):
    figures = await postgres_restarts(proof_servers, seed, 0.1, print)

    assert figures.holds, "\n".join(figures.lines("postgres_restarts"))
