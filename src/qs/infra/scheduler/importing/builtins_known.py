"""Which builtins qs ships, so that importers can tell a person which others have to be written."""

SHIPPED = frozenset({"hello_job", "cleanup_job", "task:daily-report", "task:daily-stats"})


def unknown_builtin(name: str) -> tuple[str, str]:
    """Why a job of a builtin that is not shipped does not run yet, and what to do."""
    return (
        f"it runs the builtin {name!r}, which qs does not ship, and until there is one the job is in config_error",
        "register the builtin, or give the job a target: http, command or kubernetes",
    )
