"""Other schedulers and queues, each driven by a module that runs in an environment of its own and imports nothing of qs."""
