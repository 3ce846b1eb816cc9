"""`python -m qs` is the program `qs`."""

from qs.interface.cli.main import run

run()
