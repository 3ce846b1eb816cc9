"""How every verb speaks: data on stdout, progress and complaints on stderr, exit 0 done, 1 failed, 2 misuse."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from qs.domain.kernel.errors import Invalid
from qs.interface.cli.failures import sentence_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Data as JSON on stdout.")]
"""The option every verb has: ``def show(json_mode: Json = False)``."""

# A table piped into a file has no terminal to fit into.
_WIDTH_OF_A_PIPE = 200


def emit(data: Any, json_mode: bool, table: "RenderableType | None" = None) -> None:
    """Writes a verb's result to stdout: ``data`` as JSON, or for people ``table``, or ``data`` in plain lines.

    ``data`` is whatever msgspec encodes (structs, dataclasses, UUIDs, aware datetimes), paths and sets besides.
    """
    if json_mode:
        import msgspec

        encoded = msgspec.json.format(msgspec.json.encode(data, enc_hook=_encode), indent=2)
        sys.stdout.write(encoded.decode() + "\n")
    elif table is not None:
        from rich.console import Console

        width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
        Console(width=width, highlight=False).print(table, markup=False, emoji=False)
    else:
        for line in _lines(data):
            sys.stdout.write(line + "\n")
    sys.stdout.flush()


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]], *, title: str | None = None) -> "Table":
    """A table for ``emit``; cells are shown as they are, never read as markup, None as a dash."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in values:
        table.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
    return table


def note(message: str) -> None:
    """Tells the person something on stderr that is not part of the data."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def fail(message: str) -> NoReturn:
    """Ends the verb with exit code 1 after saying why on stderr."""
    note(message)
    raise typer.Exit(1)


def misuse(message: str) -> NoReturn:
    """Ends the verb with exit code 2 after saying on stderr how it is meant to be used."""
    note(message)
    raise typer.Exit(2)


@contextmanager
def misusing(option: str) -> Iterator[None]:
    """Inside the block a value that breaks its rules is misuse of the option it was given by."""
    try:
        yield
    except Invalid as error:
        misuse("\n".join(f"{option}: {problem.detail}" for problem in error.problems))


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns; an error that was raised on purpose ends the verb with 1 and its sentence."""
    with failing_plainly():
        return asyncio.run(work)


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Inside the block an error with a sentence of its own ends the verb with 1; a bug keeps its traceback."""
    try:
        yield
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        fail(sentence)


@contextmanager
def progress(description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """A bar on stderr while the block runs; the function given advances it. Silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda amount: bar.advance(task, amount)


def _encode(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def _lines(data: Any) -> Iterator[str]:
    import msgspec

    plain = msgspec.to_builtins(data, enc_hook=_encode)
    if isinstance(plain, dict):
        width = max((len(str(key)) for key in plain), default=0)
        for key, value in plain.items():
            shown = "-" if value is None else value
            if isinstance(value, (dict, list)):
                shown = msgspec.json.encode(value).decode()
            yield f"{key:<{width}}  {shown}"
    elif isinstance(plain, list):
        for item in plain:
            yield item if isinstance(item, str) else msgspec.json.encode(item).decode()
    else:
        yield str(plain)
