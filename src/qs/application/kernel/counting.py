"""How far is counted where somebody only wants to know how things stand."""

COUNTED_TO = 10_000
"""Larger numbers are told as this one, so that looking costs the same however much there is."""
