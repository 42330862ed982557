"""The law of a deal: which product a won lead bought, and for how much."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.vocabulary import EMPLOYEE_EDGES, PRODUCTS

__all__ = ["DealLaw", "Deals", "draw_deals", "make_deal_law"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_B2C_LEVEL = 6.2
_SAME_LEVEL = 8.0


@dataclass(frozen=True)
class DealLaw:
    """The law of the deals of a world; the logarithm of an amount is normal.

    Attributes
    ----------
    keeps_interest
        Chance that a lead with a recorded interest is not drawn anew; drawing anew is even over all
        products, the interest among them.
    level
        Mean of the logarithm of the amount in euro for the first product, by segment and size band (the
        last entry: size unknown).
    by_product
        What each product adds to it.
    spread
        Standard deviation of the logarithm.
    """

    keeps_interest: float
    level: tuple[tuple[float, ...], ...]
    by_product: tuple[float, ...]
    spread: float

    def product_law(self, interest: Ints) -> Floats:
        """P(product won | won, recorded interest), shape (lead, product); an interest of -1 is missing."""
        n_products = len(self.by_product)
        keeps = np.where(interest >= 0, self.keeps_interest, 0.0)
        law = np.repeat(((1 - keeps) / n_products)[:, None], n_products, axis=1)
        law[np.arange(len(interest)), np.maximum(interest, 0)] += keeps
        return np.asarray(law)

    def mean_amount(self, segment: Ints, size: Ints, interest: Ints) -> Floats:
        """E[amount | won, recorded fields] in euro, one a lead: the lognormal mean, mixed over products."""
        by_product = np.exp(np.array(self.by_product) + self.spread**2 / 2)
        level = np.exp(np.array(self.level)[segment, size])
        return np.asarray(level * (self.product_law(interest) * by_product).sum(axis=1))

    def write(self, path: Path) -> None:
        """Write the law as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> DealLaw:
        """Read what `write` wrote."""
        text = json.loads(path.read_text(encoding="utf-8"))
        level = tuple(tuple(row) for row in text["level"])
        return cls(text["keeps_interest"], level, tuple(text["by_product"]), text["spread"])


@dataclass(frozen=True)
class Deals:
    """Product and amount of each ended lead, had it been won."""

    product: Ints
    amount: Floats


def make_deal_law(settings: WorldSettings) -> DealLaw:
    """The law of the deals of the world that the settings ask for."""
    size = np.append(np.arange(len(EMPLOYEE_EDGES) + 1), 0)
    level = np.stack([8.0 + 0.5 * size, np.full(len(size), _B2C_LEVEL)])
    by_product = 0.3 * np.arange(len(PRODUCTS))
    if "amount" in settings.off:
        level, by_product = np.full_like(level, _SAME_LEVEL), np.zeros_like(by_product)
    return DealLaw(
        keeps_interest=0.0 if "product" in settings.off else 0.8,
        level=tuple(tuple(row) for row in level.tolist()),
        by_product=tuple(by_product.tolist()),
        spread=0.5,
    )


def draw_deals(rng: np.random.Generator, law: DealLaw, segment: Ints, size: Ints, interest: Ints) -> Deals:
    """A deal for each lead given; codes of -1 are missing."""
    n = len(segment)
    other = rng.integers(0, len(law.by_product), n)
    product = np.where((interest >= 0) & (rng.random(n) < law.keeps_interest), interest, other)
    level = np.array(law.level)[segment, size] + np.array(law.by_product)[product]
    return Deals(product, np.round(np.exp(level + rng.normal(0, law.spread, n)), 2))
