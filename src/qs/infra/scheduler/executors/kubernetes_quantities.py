"""Amounts of CPU and memory as Kubernetes writes them, and the most a job may ask for."""

import re
from dataclasses import dataclass
from fractions import Fraction

_CPU = re.compile(r"([0-9]{1,6})m|([0-9]{1,4}(?:\.[0-9]{1,3})?)")
_MEMORY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)([kMGT]|[KMGT]i)?")
_UNITS = {
    unit: Fraction(base) ** power
    for base, units in ((1000, "kMGT"), (1024, ("Ki", "Mi", "Gi", "Ti")))
    for power, unit in enumerate(units, 1)
}
# No container runtime starts anything in less.
_LEAST_MEMORY = 4 * 1024**2


def cores(text: str) -> Fraction:
    """The CPUs that ``500m``, ``2`` or ``0.5`` stand for.

    Raises:
        ValueError: it is no amount of CPU, or none at all.
    """
    found = _CPU.fullmatch(text)
    if not found:
        raise ValueError("expected an amount of CPU such as 500m, 2 or 0.5")
    amount = Fraction(int(found[1]), 1000) if found[1] else Fraction(found[2])
    if not amount:
        raise ValueError("no CPU at all is not enough to run anything; write at least 1m")
    return amount


def memory_bytes(text: str) -> Fraction:
    """The bytes that ``512Mi``, ``2G`` or a plain number stand for.

    Raises:
        ValueError: it is no amount of memory, or less than 4Mi. ``400m`` is such: Kubernetes reads it as 0.4 bytes.
    """
    found = _MEMORY.fullmatch(text)
    if not found:
        raise ValueError("expected an amount of memory such as 256Mi, 2Gi or 500M")
    amount = Fraction(found[1]) * _UNITS.get(found[2] or "", Fraction(1))
    if amount < _LEAST_MEMORY:
        raise ValueError("less than 4Mi is not enough to start a container; write it such as 256Mi")
    return amount


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """The most that one job's pod may ask for, as Kubernetes writes it."""

    cpu: str
    memory: str

    def __post_init__(self) -> None:
        """Raises ValueError: one of them is no amount."""
        cores(self.cpu)
        memory_bytes(self.memory)

    def problem(self, resource: str, text: str) -> str | None:
        """What is wrong with asking for so much ``cpu`` or ``memory``; None where nothing is."""
        measure, most = (cores, self.cpu) if resource == "cpu" else (memory_bytes, self.memory)
        try:
            asked = measure(text)
        except ValueError as error:
            return str(error)
        if asked > measure(most):
            return f"is more than the {most} that scheduler.kubernetes.max_{resource} allows"
        return None

    def smaller(self, resource: str, text: str) -> str:
        """The amount, or the most that is allowed where that is less."""
        return text if self.problem(resource, text) is None else getattr(self, resource)
