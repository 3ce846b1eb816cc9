"""Message brokers, one file each; what a file needs is installed by the extra ``brokers`` and imported when chosen."""
