"""Passwords at the terminal: never an argument, which every user of the machine could read."""

import os
import sys

import typer

from qs.interface.cli.output import misuse

VARIABLE = "QS_USER_PASSWORD"


def read_password() -> str:
    """The password from the variable QS_USER_PASSWORD, else the first line of a piped stdin, else asked for twice."""
    if VARIABLE in os.environ:
        password = os.environ[VARIABLE]
    elif sys.stdin.isatty():
        password = typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        misuse(f"no password was given; type it when asked, pipe it in, or set {VARIABLE}")
    return password
