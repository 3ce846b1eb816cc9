"""Copies of the whole database, made and read back with PostgreSQL's own pg_dump and pg_restore."""
