"""Whether this process keeps traces, and until when; OpenTelemetry is imported only where it does."""

from collections.abc import Callable
from importlib.util import find_spec

from qs.application.kernel import tracing
from qs.settings import Settings, SettingsError

_KEY = "tracing.endpoint"
_NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def require_tracing(settings: Settings) -> None:
    """Returns if these settings ask for nothing that is not installed.

    Raises:
        SettingsError: traces are to go somewhere, and the extra is not installed.
    """
    if settings.tracing.endpoint is not None and not all(map(_is_there, _NEEDED)):
        raise SettingsError(
            [(_KEY, "needs packages that are missing; pip install 'qs[tracing]', or leave it out")]
        )


def begin_tracing(settings: Settings, process: str) -> Callable[[], None]:
    """Keeps the spans of this process, which is named for its role (``api``, ``relay``), from now on.

    What it returns ends that when all work is done: it hands over what waits, within two seconds, and may block as long.

    Raises:
        SettingsError: as ``require_tracing``.
    """
    endpoint = settings.tracing.endpoint
    if endpoint is None:
        return lambda: None
    require_tracing(settings)
    from qs.infra.telemetry.tracer import OpenTelemetryTracer, make_exporter

    tracer = OpenTelemetryTracer(
        make_exporter(endpoint),
        service=settings.tracing.service_name,
        process=process,
        share=settings.tracing.sample_ratio,
    )
    tracing.install(tracer)

    def end() -> None:
        tracing.install(None)
        tracer.close()

    return end


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        # The package that it is in is not there either.
        return False
