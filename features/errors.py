"""Every error a user can meet, in one tree.

::

    LeadScoringError            (exit code)
    ├── InputError              2  a table, a file or an argument breaks the contract
    │   ├── LeakageError        2  something known only later would reach a feature
    │   └── NoHistoryError      2  no outcome is complete yet, or none before the test
    ├── ConfigError             2  the project file is wrong
    ├── QuarantineLimitError    4  too large a share of the lead rows is in quarantine
    ├── BundleError             5  a bundle is damaged, unknown or does not fit the data
    ├── LockedError             6  another run holds the output
    ├── OutputError             7  reading or writing failed
    └── NoModelError            8  no model is better than the base rate
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BundleError",
    "ConfigError",
    "InputError",
    "LeadScoringError",
    "LeakageError",
    "LockedError",
    "NoHistoryError",
    "NoModelError",
    "OutputError",
    "QuarantineLimitError",
]


class LeadScoringError(Exception):
    """Root of the tree; `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1


class InputError(LeadScoringError):
    """A table, a file or an argument breaks the contract."""

    exit_code = 2


class LeakageError(InputError):
    """Something known only later would reach a feature."""


class NoHistoryError(InputError):
    """Too little time has passed: no outcome is complete yet, none before the test, or none is a win."""


class ConfigError(LeadScoringError):
    """The project file is wrong; the message lists every fault with its path."""

    exit_code = 2


class QuarantineLimitError(LeadScoringError):
    """Too large a share of the lead rows is in quarantine."""

    exit_code = 4


class BundleError(LeadScoringError):
    """A bundle is damaged, of an unknown format, or does not fit the data."""

    exit_code = 5


class LockedError(LeadScoringError):
    """Another run holds the output."""

    exit_code = 6


class OutputError(LeadScoringError):
    """Reading or writing failed."""

    exit_code = 7


class NoModelError(LeadScoringError):
    """No model is better than the base rate; nothing is registered."""

    exit_code = 8
