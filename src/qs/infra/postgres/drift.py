"""Where the tables in the database and the tables the code knows have come apart."""

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SAWarning

from qs.infra.postgres.metadata import metadata

_CONTEXTS = ("postgres", "plan", "identity", "notification", "scheduler", "statistics", "webhook")


def find_drift(connection: Connection) -> list[str]:
    """Every column that only one side has, or that they hold as different types; [] when they agree.

    Indexes, constraints and defaults belong to the migrations alone, and a table the code does not know may be
    somebody's own; these are not compared.
    """
    for context in _CONTEXTS:
        name = f"qs.infra.{context}.tables"
        if find_spec(name) is not None:
            import_module(name)
    context_options = {"compare_type": True, "include_object": _is_compared}
    with warnings.catch_warnings():
        # A constraint that is not validated is reflected with an option that SQLAlchemy itself does not know.
        warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'", SAWarning)
        differences = compare_metadata(MigrationContext.configure(connection, opts=context_options), metadata)
    return [_words(difference) for difference in differences]


def _is_compared(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    is_foreign = kind == "table" and reflected and other is None
    return kind in ("table", "column") and not is_foreign


def _words(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(_words(each) for each in difference)
    match difference:
        case ("add_table", table):
            return f"the table {table.name} is missing in the database"
        case ("add_column", _, table, column):
            return f"the column {table}.{column.name} is missing in the database"
        case ("remove_column", _, table, column):
            return f"the column {table}.{column.name} is in the database, and the code does not know it"
        case (kind, _, table, column, _, *_):
            return f"the column {table}.{column} differs ({str(kind).removeprefix('modify_')})"
    return str(difference[0])
