"""Traces by OpenTelemetry; only what is in this package knows it, and nothing imports it before traces are asked for."""
