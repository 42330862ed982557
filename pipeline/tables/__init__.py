"""From the files of a project to typed tables: readers that quarantine, and the contract's checks."""

from __future__ import annotations

from pipeline.tables.load import load_tables

__all__ = ["load_tables"]
