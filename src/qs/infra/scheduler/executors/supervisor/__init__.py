"""The process between a worker and a command: it starts the command, passes on what that writes, and ends all of it.

It is the reaper of every descendant of the command, wherever that went: no `setsid`, no double fork and no ignored
signal leads away from it. It ends with its worker. It imports the standard library alone, so that it starts at once.
"""
