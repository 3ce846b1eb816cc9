"""Executors at work, one module for each kind, held to the same promises by `test_executors.py`.

A module here that has an asynchronous context manager ``rig(tmp_path)`` yielding a ``Rig`` takes part by being here.
"""
