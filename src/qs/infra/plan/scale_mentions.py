"""Which of a tenant's scales a text names."""

import re
from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_SHORTEST_CODE = 3
"""A code of fewer characters stands in texts that have nothing to do with it."""
_MOST = 20

_CANDIDATES = text(
    """
SELECT code, title::text AS title FROM scale
WHERE tenant_id = :tenant
  AND (strpos(lower(:text), lower(code)) > 0
       OR EXISTS (SELECT FROM jsonb_each_text(title) t WHERE t.value <> '' AND strpos(lower(:text), lower(t.value)) > 0))
ORDER BY code LIMIT :most
"""
)


class SqlScaleMentions:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def mentioned(self, tenant_id: UUID, text: str) -> Sequence[str]:
        """The codes of up to 20 scales whose code or title stands in the text as a word of its own."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(
                _CANDIDATES, {"tenant": tenant_id, "text": text, "most": 5 * _MOST}
            )
        found = [row.code for row in rows if _names(text, row.code, msgspec.json.decode(row.title))]
        return found[:_MOST]


def _names(content: str, code: str, title: dict[str, str]) -> bool:
    words = [*title.values(), code] if len(code) >= _SHORTEST_CODE else [*title.values()]
    return any(_stands_in(word.strip(), content) for word in words)


def _stands_in(word: str, content: str) -> bool:
    # Chinese has no blanks between words, so only letters and digits of the Latin script make a word another one.
    pattern = rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])"
    return bool(word) and re.search(pattern, content, re.IGNORECASE) is not None
