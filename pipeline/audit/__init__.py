"""What a person should know about the data before training: leaks, clocks, rates, missing values."""

from pipeline.audit.render import render
from pipeline.audit.result import Audit, Finding, Suspect, TableShape
from pipeline.audit.run import audit_project

__all__ = ["Audit", "Finding", "Suspect", "TableShape", "audit_project", "render"]
