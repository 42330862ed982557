"""Learned personas: clusters of who leads are and what they do, named in words, kept across retrainings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from features.catalogue import Catalogue, Feature
from features.explicit import UNKNOWN
from features.profile import SHARE_MET

__all__ = ["PersonaColumn", "Personas", "learn_personas", "matched_names"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
MOST_ROWS, SILHOUETTE_ROWS = 10_000, 1_500
STARTS, MOST_STEPS = 8, 100
LEAST_STABLE = 0.6  # agreement of two halves' clusters, as an adjusted Rand index
MATCH_SHARE = 0.5  # a persona keeps its name within this share of the way to its nearest neighbour
LEAST_APART = 0.2  # deviations off the mean from which a further feature is named: a small effect
_DIGITS = 6
_COUNTS = frozenset({"count", "days", "number"})
_SKIPPED_OPS = frozenset({"missing", "ever", "days_active", "breadth", "products"})


@dataclass(frozen=True)
class PersonaColumn:
    """One axis of the space: a feature, or one level of a category.

    Attributes
    ----------
    feature : name in the catalogue; level : of a category, else None.
    about : what it is called in a name; positive and negative ends.
    mean : on the rows learned from; scale : what one unit of the space is there.
    deviation : standard deviation on those rows, for telling what stands out.
    """

    feature: str
    level: str | None
    about: tuple[str, str]
    mean: float
    scale: float
    deviation: float


@dataclass(frozen=True)
class Personas:
    """Centres in the units of the features (counts in logs), and their names, the largest persona first."""

    columns: tuple[PersonaColumn, ...]
    names: tuple[str, ...]
    centres: Float64

    def assigned(self, X: Float64, catalogue: Catalogue) -> Int64:
        """(rows,) place of each row's nearest persona in `names`.

        Features that the catalogue lacks, and missing values, count as the mean. No row depends on another.
        """
        return _nearest(_space(X, catalogue, self.columns), self.scaled_centres())

    def scaled_centres(self) -> Float64:
        """(personas, columns) in the space that distances are measured in."""
        mean, scale = (np.array([getattr(c, name) for c in self.columns]) for name in ("mean", "scale"))
        return np.asarray((self.centres - mean) / scale)

    def to_text(self) -> str:
        """JSON; `from_text` gives the same bits back."""
        columns = [{**vars(each), "about": list(each.about)} for each in self.columns]
        whole = {"columns": columns, "names": list(self.names), "centres": self.centres.tolist()}
        return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Personas:
        """The personas that `to_text` wrote."""
        columns = tuple(
            PersonaColumn(**{**each, "about": tuple(each["about"])}) for each in values["columns"]
        )
        centres = np.array(values["centres"], dtype=np.float64).reshape(-1, len(columns))
        return cls(columns, tuple(values["names"]), centres)


def learn_personas(
    X: Float64, catalogue: Catalogue, sizes: Sequence[int], *, attributes: Sequence[str] = (),
    with_events: bool = True, former: Personas | None = None, seed: int = 0,
) -> Personas | None:  # fmt: skip
    """Clusters of the rows: k-means on standardised attributes and activity.

    Counts are taken as log(1 + n), a category is one axis a level; attributes and activity weigh the same. Clusters
    are sought along the axes that most attributes share, one fewer than there are clusters (factor analysis of mixed
    data, Pages 2004; k-means and principal components, Ding and He 2004). Of several sizes the one with the best
    silhouette (Rousseeuw 1987) is taken among those whose clusters come out alike on two halves of the rows (adjusted
    Rand index of 0.6 or more; Hubert and Arabie 1985).

    Parameters
    ----------
    X : (rows, features), one row a lead.
    sizes : numbers of personas to try.
    attributes : the attributes that personas are about; all if none are named.
    former : personas of the present champion; whoever is still there keeps the name.

    Returns
    -------
    Personas, or None where the rows do not differ, or are fewer than five a persona.
    """
    rng = np.random.default_rng(seed)
    if len(X) > MOST_ROWS:
        X = X[np.sort(rng.choice(len(X), MOST_ROWS, replace=False))]
    columns = _columns(X, catalogue, attributes, with_events=with_events)
    usable = [k for k in sizes if 2 <= k <= len(X) // 5]
    if not columns or not usable:
        return None
    Z = _space(X, catalogue, columns)
    size = usable[0] if len(usable) == 1 else _best_size(Z, usable, rng)
    centres = _clusters(Z, size, rng)
    code = _nearest(Z, centres)
    order = np.argsort(-np.bincount(code, minlength=size), kind="stable")
    mean, scale = (np.array([getattr(c, name) for c in columns]) for name in ("mean", "scale"))
    raw = np.round(centres[order] * scale + mean, _DIGITS)
    found = Personas(columns, _names(columns, raw), raw)
    return found if former is None else replace(found, names=matched_names(found, former))


def matched_names(found: Personas, former: Personas) -> tuple[str, ...]:
    """Names of the personas: the former one's where its centre is near, else their own.

    Centres are paired so that the distances sum to the least (Kuhn 1955), measured in the new space; a pair
    further apart than half the way to the persona's nearest neighbour is no pair.
    """
    place = {(c.feature, c.level): number for number, c in enumerate(former.columns)}
    raw = np.array([
        [each[place[c.feature, c.level]] if (c.feature, c.level) in place else c.mean for c in found.columns]
        for each in former.centres
    ])  # fmt: skip
    old = replace(found, centres=raw, names=former.names).scaled_centres()
    new = found.scaled_centres()
    apart = _distances(new, new)
    np.fill_diagonal(apart, np.inf)
    distance = _distances(new, old)
    names = list(found.names)
    kept: dict[int, str] = {}
    for mine, its in zip(*linear_sum_assignment(distance), strict=True):
        if distance[mine, its] <= MATCH_SHARE * apart[mine].min():
            kept[int(mine)] = former.names[its]
    taken = {*kept.values()}
    for number, name in enumerate(names):
        names[number] = kept.get(number) or _free(name, taken)
        taken.add(names[number])
    return tuple(names)


def _free(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name} ({number})", number + 1
    return found


def _columns(
    X: Float64, catalogue: Catalogue, attributes: Sequence[str], *, with_events: bool
) -> tuple[PersonaColumn, ...]:
    """The axes, each of attributes and activity with the same width in all."""
    blocks: dict[str, list[list[PersonaColumn]]] = {"explicit": [], "implicit": []}
    longest = max((f.span for f in catalogue.features if f.family == "implicit"), default=0)
    for place, feature in enumerate(catalogue.features):
        is_wanted = feature.family == "explicit" and (not attributes or feature.source in attributes)
        is_activity = feature.family == "implicit" and with_events and feature.span == longest
        if (
            feature.op in _SKIPPED_OPS
            or not (is_wanted or is_activity)
            or feature.source == "any"
            or feature.source.startswith("stage:")
            or (feature.group == SHARE_MET.group and feature.op != SHARE_MET.op)
        ):
            continue
        axes = _axes(feature, X[:, place])
        if axes:
            blocks[feature.family].append(axes)
    return tuple(
        replace(axis, scale=axis.scale * len(block) ** 0.5)
        for block in blocks.values()
        for axes in block
        for axis in axes
    )


def _axes(feature: Feature, values: Float64) -> list[PersonaColumn]:
    words = feature.words or feature.source
    if not feature.is_category:
        known = _transformed(feature, values)
        known = known[np.isfinite(known)]
        width = float(known.std()) if len(known) else 0.0
        is_flag = feature.unit == "flag"
        is_mass = words.endswith("activity")
        much, little = ("much", "little") if is_mass else ("many", "few")
        ends = (words, f"not {words}") if is_flag else (f"{much} {words}", f"{little} {words}")
        if feature.op == "decision_maker":
            ends = ("decision makers", "no decision makers")
        if feature.family == "explicit" and not is_flag:
            ends = (f"high {words}", f"low {words}")
        mean = float(known.mean()) if len(known) else 0.0
        return [PersonaColumn(feature.name, None, ends, mean, width, width)] if width > 1e-9 else []
    told = _told(feature, values)
    spelling = feature.spelling or feature.levels
    shares = {
        k: float((values[told] == k).mean()) if told.any() else 0.0
        for k, level in enumerate(feature.levels)
        if level != UNKNOWN
    }
    return [
        PersonaColumn(
            feature.name, feature.levels[k], (f"{words} {spelling[k]}", f"not {words} {spelling[k]}"), p,
            float(np.sqrt(p * (1.0 - p))), float(np.sqrt(p * (1.0 - p))),
        )
        for k, p in shares.items()
        if 0.0 < p < 1.0
    ]  # fmt: skip


def _told(feature: Feature, values: Float64) -> NDArray[np.bool_]:
    """Rows whose category is known."""
    missing = feature.levels.index(UNKNOWN) if UNKNOWN in feature.levels else -1
    return np.asarray(np.isfinite(values) & (values != missing))


def _transformed(feature: Feature, values: Float64) -> Float64:
    if feature.unit in _COUNTS:
        return np.asarray(np.sign(values) * np.log1p(np.abs(values)))
    return values


def _space(X: Float64, catalogue: Catalogue, columns: Sequence[PersonaColumn]) -> Float64:
    """(rows, columns) standardised; what is missing, or not among the features, is 0: the mean."""
    place = {name: number for number, name in enumerate(catalogue.names)}
    Z = np.zeros((len(X), len(columns)))
    for number, column in enumerate(columns):
        if column.feature not in place:
            continue
        feature, values = catalogue.features[place[column.feature]], X[:, place[column.feature]]
        if column.level is None:
            Z[:, number] = (_transformed(feature, values) - column.mean) / column.scale
        else:
            code = feature.levels.index(column.level) if column.level in feature.levels else -1
            is_level = (values == code).astype(np.float64) - column.mean
            Z[:, number] = np.where(_told(feature, values), is_level / column.scale, 0.0)
    return np.nan_to_num(Z, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _distances(Z: Float64, centres: Float64) -> Float64:
    """(rows, centres) Euclidean, summed row by row."""
    return np.stack([np.sqrt(((Z - centre) ** 2).sum(axis=1)) for centre in centres], axis=1)


def _nearest(Z: Float64, centres: Float64) -> Int64:
    return np.asarray(_distances(Z, centres).argmin(axis=1), dtype=np.int64)


def _clusters(Z: Float64, k: int, rng: np.random.Generator) -> Float64:
    """(k, columns) centres of the clusters found along the k - 1 axes of most variance."""
    middle = Z.mean(axis=0)
    axes = np.linalg.svd(Z - middle, full_matrices=False)[2][: k - 1]
    along = np.round((Z - middle) @ axes.T, _DIGITS)
    found = _k_means(along, k, rng)
    code = _nearest(along, found)
    return np.stack([Z[code == c].mean(axis=0) if (code == c).any() else middle for c in range(k)])


def _k_means(Z: Float64, k: int, rng: np.random.Generator) -> Float64:
    """Centres with the least sum of squares of several starts (Lloyd 1982; Arthur and Vassilvitskii 2007)."""
    best, least = np.zeros((k, Z.shape[1])), np.inf
    for _ in range(STARTS):
        centres = _spread_start(Z, k, rng)
        code = np.full(len(Z), -1)
        for _ in range(MOST_STEPS):
            now = _nearest(Z, centres)
            if (now == code).all():
                break
            code = now
            centres = np.stack(
                [Z[code == c].mean(axis=0) if (code == c).any() else centres[c] for c in range(k)]
            )
        loss = float(((Z - centres[code]) ** 2).sum())
        if loss < least - 1e-9:
            best, least = centres, loss
    return best


def _spread_start(Z: Float64, k: int, rng: np.random.Generator) -> Float64:
    """k-means++: each further centre drawn in proportion to the squared distance to the nearest one."""
    chosen = [Z[rng.integers(len(Z))]]
    for _ in range(k - 1):
        away = _distances(Z, np.stack(chosen)).min(axis=1) ** 2
        total = away.sum()
        place = rng.choice(len(Z), p=away / total) if total > 0 else rng.integers(len(Z))
        chosen.append(Z[place])
    return np.stack(chosen)


def _best_size(Z: Float64, sizes: Sequence[int], rng: np.random.Generator) -> int:
    """The size with the best silhouette, of those that come out alike on two halves; of all if none does."""
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    half = rng.permutation(len(Z))
    shown = Z[half[:SILHOUETTE_ROWS]]
    judged: list[tuple[bool, float, int]] = []
    for k in sizes:
        first, second = (_clusters(Z[part], k, rng) for part in np.array_split(half, 2))
        alike = float(adjusted_rand_score(_nearest(Z, first), _nearest(Z, second)))
        code = _nearest(shown, _clusters(Z, k, rng))
        separate = float(silhouette_score(shown, code)) if len(np.unique(code)) > 1 else -1.0
        judged.append((alike >= LEAST_STABLE, separate, -k))
    return -max(judged)[2]


def _names(columns: Sequence[PersonaColumn], centres: Float64) -> tuple[str, ...]:
    """What most sets each persona apart, in words: two features that do, a third where two personas share them."""
    deviation = np.array([c.deviation for c in columns])
    off = (centres - np.array([c.mean for c in columns])) / deviation
    names: list[str] = []
    for row in off:
        weight = np.where(row > 0, np.abs(row), 0.5 * np.abs(row))
        ranked = np.argsort(-weight, kind="stable")
        words: list[str] = []
        used: set[str] = set()
        for place in ranked.tolist():
            column = columns[place]
            source = column.feature.split("__")[1]
            if words and weight[place] < LEAST_APART:
                break
            if source not in used:
                used.add(source)
                words.append(column.about[0 if row[place] > 0 else 1])
            if len(words) == 3:
                break
        name = ", ".join(words[:2])
        names.append(_free(name if name not in names else ", ".join(words), set(names)))
    return tuple(names)
