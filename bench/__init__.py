"""Measurements, each a ratio against a limit or a peer that ran interleaved with it."""
