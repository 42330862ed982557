"""The exact forward filter of the hidden chain, vectorised over leads.

Between observations the unnormalised state vector moves by exp(A t) with
A = Q - diag(emission + hazards); an observation multiplies it by the rates of its code (Rydén 1996, the
Markov-modulated Poisson process with marks). Each chain is a birth-death chain beside one closed state,
hence A is similar to a symmetric matrix: with D its reversing measure and S = D^(1/2) A D^(-1/2) =
U diag(w) U', the vector b = a D^(-1/2) U moves by b exp(w t), and an observation with rates r maps b to
b U' diag(r) U.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.parameters import N_CODES, N_FITS, STAGE_MOVE, WON, Parameters
from pipeline.simulate.vocabulary import STAGES, STATES

__all__ = ["Chains", "Filtered", "run_filter"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_N = len(STATES)


@dataclass(frozen=True)
class Filtered:
    """What the filter knows at each check: log-likelihood by class and law of the state by class.

    `log_likelihood` has shape (check, class); a class that a lead cannot have holds -inf.
    `state` has shape (check, class, state), each row adding up to 1.
    """

    log_likelihood: Floats
    state: Floats


class Chains:
    """The chains of a law, one a group of segment, class, fit level and win multiplier, in spectral form."""

    def __init__(self, law: Parameters) -> None:
        self._law = law
        self._multipliers, self._cohort_group = np.unique(law.by_cohort, return_inverse=True)
        shape = (2, 2, N_FITS, len(self._multipliers))
        groups = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
        self._groups: list[tuple[int, ...]] = [tuple(row) for row in groups.tolist()]
        spectra = [self._spectrum(*group, with_emission=True) for group in self._groups]
        self.rate = np.stack([w for w, _, _ in spectra])
        self.vectors = np.stack([u for _, u, _ in spectra])
        self.root = np.stack([root for _, _, root in spectra])
        rates = [self._code_rates(*group) for group in self._groups]
        self.jump = np.einsum("gji,gkj,gjl->gkil", self.vectors, np.stack(rates), self.vectors, optimize=True)

    def group_of(self, segment: Ints, in_market: Ints | int, fit: Ints, cohort: Ints) -> Ints:
        """Group of each lead, were its class `in_market`."""
        code = (segment * 2 + in_market) * N_FITS + fit
        return np.asarray(code * len(self._multipliers) + self._cohort_group[cohort], dtype=np.int64)

    def win_chance(self, horizon_days: float) -> Floats:
        """P(won within the horizon | state), shape (group, state): exp(B s) times win hazard, integrated."""
        chance = np.empty((len(self._groups), _N))
        for row, group in enumerate(self._groups):
            w, u, root = self._spectrum(*group, with_emission=False)
            small = np.abs(w) < 1e-12
            span = np.where(small, horizon_days, np.expm1(w * horizon_days) / np.where(small, 1.0, w))
            chance[row] = (u * span) @ (u.T @ (root * self._hazards(*group)[0])) / root
        return chance

    def _hazards(self, segment: int, in_market: int, fit: int, multiplier: int) -> Floats:
        hazards = self._law.hazards[:, segment] * self._law.by_fit[:, fit, None]
        hazards[0] *= self._multipliers[multiplier] * self._law.by_class[in_market]
        return np.asarray(hazards)

    def _code_rates(self, segment: int, in_market: int, fit: int, multiplier: int) -> Floats:
        """Rate of each code in each state, shape (code, state)."""
        law, rates = self._law, np.empty((N_CODES, _N))
        rates[:STAGE_MOVE] = (law.activity[segment, in_market][:, None] * law.mix[segment]).T
        moves = law.move_rate[:, None, None] * law.move_law()
        rates[STAGE_MOVE:WON] = moves.reshape(_N, len(STAGES) ** 2).T
        rates[WON:] = self._hazards(segment, in_market, fit, multiplier)
        return rates

    def _spectrum(
        self, segment: int, in_market: int, fit: int, multiplier: int, *, with_emission: bool
    ) -> tuple[Floats, Floats, Floats]:
        """Eigenvalues, eigenvectors and square root of the reversing measure."""
        law = self._law
        up, down = law.up[segment, in_market], law.down[segment, in_market]
        leaving = self._hazards(segment, in_market, fit, multiplier).sum(axis=0)
        leaving[:3] += up
        leaving[1:4] += down
        if with_emission:
            leaving += law.activity[segment, in_market] + law.move_rate
        root = np.ones(_N)
        root[1:4] = np.sqrt(np.cumprod(up / down))
        symmetric = np.diag(-leaving[:4]) + np.diag(np.sqrt(up * down), 1) + np.diag(np.sqrt(up * down), -1)
        w, u = np.full(_N, -leaving[4]), np.eye(_N)
        w[:4], u[:4, :4] = np.linalg.eigh(symmetric)
        return w, u, root


def run_filter(
    chains: Chains, first: Floats, group: Ints, born_us: Ints, steps: tuple[Ints, Ints, Ints], n_checks: int
) -> Filtered:
    """State law and log-likelihood at every check.

    Parameters
    ----------
    first
        Law of the first state, shape (lead, class, state); a class with zeros only is not run.
    group
        Group of chains, shape (lead, class).
    born_us
        Creation moment of each lead.
    steps
        `lead`, `at_us`, `code`, sorted by lead, then time; the code of the k-th check is -1 - k.
    n_checks
        Number of checks.
    """
    lead, at_us, code = steps
    n_leads = len(born_us)
    start = np.searchsorted(lead, np.arange(n_leads))
    count = np.diff(np.append(start, len(lead)))
    days = _waits(at_us, code, born_us, start, count)
    who, cls = _longest_first(first, count)
    g = group[who, cls]
    b = np.einsum("ni,nij->nj", first[who, cls] / chains.root[g], chains.vectors[g])
    log_scale = np.zeros(len(who))
    out = Filtered(np.full((n_checks, 2), -np.inf), np.zeros((n_checks, 2, _N)))
    active = np.searchsorted(-count[who], -np.arange(int(count.max(initial=0))), side="left")
    for rank, n in enumerate(active.tolist()):
        at = start[who[:n]] + rank
        b[:n] *= np.exp(chains.rate[g[:n]] * days[at][:, None])
        kind = code[at]
        is_check = kind < 0
        rows = np.flatnonzero(is_check)
        _check(chains, out, (b[rows], g[rows], log_scale[rows]), -1 - kind[rows], cls[rows])
        rows = np.flatnonzero(~is_check)
        b[rows] = np.matmul(b[rows][:, None, :], chains.jump[g[rows], kind[rows]])[:, 0]
        scale = np.abs(b[:n]).max(axis=1)
        b[:n] /= scale[:, None]
        log_scale[:n] += np.log(scale)
    return out


def _longest_first(first: Floats, count: Ints) -> tuple[Ints, Ints]:
    """Pairs of lead and class to run, those with most steps first, so that each rank is a leading part."""
    runs = np.argwhere(first.sum(axis=2) > 0)
    runs = runs[np.argsort(-count[runs[:, 0]], kind="stable")]
    return runs[:, 0], runs[:, 1]


def _waits(at_us: Ints, code: Ints, born_us: Ints, start: Ints, count: Ints) -> Floats:
    """Days since the step before, from creation on; none once the outcome is known."""
    before = np.empty_like(at_us)
    before[1:] = at_us[:-1]
    filled = count > 0
    before[start[filled]] = born_us[filled]
    ended = np.cumsum(code >= WON)
    ended_before = ended - (code >= WON) - np.repeat(np.append(0, ended)[start], count)
    return np.where(ended_before > 0, 0.0, (at_us - before) / 86_400e6)


def _check(chains: Chains, out: Filtered, at: tuple[Floats, Ints, Floats], number: Ints, cls: Ints) -> None:
    """Write down what is known at the checks of one rank."""
    b, g, log_scale = at
    state = np.einsum("ni,nji->nj", b, chains.vectors[g]) * chains.root[g]
    state = np.maximum(state, 0.0)
    total = state.sum(axis=1)
    out.log_likelihood[number, cls] = log_scale + np.log(total)
    out.state[number, cls] = state / total[:, None]
