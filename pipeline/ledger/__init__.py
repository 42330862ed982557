"""The ledger: an append-only record of every score given, in SQLite or PostgreSQL.

Nothing is imported here: a project without a ledger never loads the database libraries.
"""
