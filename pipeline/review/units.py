"""What the pages call the rows that a project scores: leads, accounts, customers, or pairs of lead and product."""

from __future__ import annotations

from dataclasses import dataclass

from features.entities import NOUNS
from features.settings import Entity

__all__ = ["Unit", "unit_of"]


@dataclass(frozen=True)
class Unit:
    """Words for one row, for several, and for those whom they are about.

    Attributes
    ----------
    column : the heading of a column that counts rows.
    who, whom : a lead and leads, also where a row is a pair of lead and product.
    """

    one: str
    many: str
    column: str
    who: str
    whom: str


def unit_of(entity: Entity) -> Unit:
    """The words of an entity.

    Examples
    --------
    >>> unit_of("customer account").one, unit_of("product").one, unit_of("product").whom
    ('customer', 'pair of lead and product', 'leads')
    """
    many = NOUNS[entity]
    if entity == "product":
        return Unit(many.replace("pairs", "pair", 1), many, "Pairs", "lead", "leads")
    return Unit(many.removesuffix("s"), many, many.capitalize(), many.removesuffix("s"), many)
