"""Client TLS on Python's `ssl`, without I/O: the connector carries the records, and never sees a key."""
