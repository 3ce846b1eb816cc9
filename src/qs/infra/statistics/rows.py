"""Figures as rows: one column for each, what is counted by reason as one document, and how many are sent at once."""

from collections.abc import Sequence
from typing import Any

import msgspec

from qs.application.statistics.ports import Figures
from qs.domain.statistics.metrics import METRICS, Counts, Place, reasons, without_zeros

NAMES = ", ".join(METRICS)
GIVEN = (
    "unnest(CAST(:dimensions AS text[]), CAST(:keys AS text[]), CAST(:days AS date[]), "
    + ", ".join(f"CAST(:{name} AS integer[])" for name in METRICS)
    + f", CAST(:reasons AS text[])) AS n(dimension, key, day, {NAMES}, reasons)"
)
"""The figures that ``parameters`` gives, as a table ``n``."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, int]).decode


def parameters(figures: Figures) -> dict[str, Any]:
    """What ``GIVEN`` is made of, for at least one figure."""
    # In the order of the key, so that two writers wait for each other and never in a circle.
    ordered = sorted(figures.items())
    dimensions, keys, days = zip(*(place for place, _ in ordered), strict=True)
    columns = {name: [counts.get(name, 0) for _, counts in ordered] for name in METRICS}
    documents = [_document(counts) for _, counts in ordered]
    return columns | {
        "dimensions": list(dimensions),
        "keys": list(keys),
        "days": list(days),
        "reasons": documents,
    }


def row_of(figure: tuple[Place, Counts]) -> tuple[object, ...]:
    """The columns of a figure, where they are copied and not given as parameters."""
    place, counts = figure
    return (*place, *[counts.get(name, 0) for name in METRICS], _document(counts))


def _document(counts: Counts) -> str:
    return _encode(found).decode() if (found := reasons(counts)) else "{}"


def counts_of(values: Sequence[int], by_reason: str) -> dict[str, int]:
    """The figures of a row, from its columns and its document."""
    counts = without_zeros(dict(zip(METRICS, values, strict=True)))
    return counts if by_reason == "{}" else counts | _decode(by_reason)
