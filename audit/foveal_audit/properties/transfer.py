"""Prove that the network relies on a property: carry just that from picture to picture and ask.

Every effect is a difference to the same transfer from a control donor in the same pair, so that what the
transfer itself does, and what donors of the class bring besides the property, cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values, axes_of
from foveal_audit.judgement.pairs import Effect, summarise
from foveal_audit.properties.components import COMPONENTS, Component, fitted
from foveal_audit.properties.profile import Profile
from foveal_audit.properties.tiles import as_shares, as_values
from foveal_audit.spans import Span

#: Pairs per component that choose the component; the model is not asked about them.
_PILOT = 24
#: Pictures whose answers give the spread that effects are measured in.
_USUAL = 128
#: Samples that each role needs.
_FEWEST = 10

Numbers = NDArray[np.int64]


class Bench(Protocol):
    """The audited model on its samples, as deployed."""

    def pixels(self, sample: int) -> Values:
        """Read one sample (*S, C) by its number."""

    def logits(self, samples: Sequence[Values]) -> NDArray[np.float64]:
        """Ask for the outputs about their mean, (n, classes)."""


@dataclass(frozen=True)
class Roles:
    """Numbers of samples by what they do in a transfer.

    Attributes
    ----------
    carriers
        Get the class and carry the property.
    controls
        Get the class without it, or other classes where there is no such picture.
    hosts
        Get other classes without it.
    """

    carriers: Numbers
    controls: Numbers
    hosts: Numbers

    @classmethod
    def of(cls, carriers: Numbers, others: Numbers, hosts: Numbers) -> Roles:
        """Give the roles; where the class hardly has others than carriers, hosts stand for the controls."""
        return cls(carriers, others if len(others) >= _FEWEST else hosts, hosts)

    def some(self, rng: np.random.Generator) -> Numbers:
        """Draw pictures of all roles, as often as there are."""
        every = np.unique(np.concatenate([self.carriers, self.controls, self.hosts]))
        return rng.choice(every, min(_USUAL, len(every)), replace=False)

    @property
    def fewest(self) -> int:
        """The size of the smallest role."""
        return min(len(self.carriers), len(self.controls), len(self.hosts))


@dataclass(frozen=True)
class Transferred:
    """What carrying the property over does.

    Attributes
    ----------
    component
        Which component carries it best.
    fidelity
        How far hosts come to differ from the rest as carriers do, see :meth:`Profile.along`.
    paste, removal
        Change of the class's probability, -1 to 1: gained by hosts, lost by carriers.
    paste_logit, removal_logit
        The same of the class's centred logit, in standard deviations over pictures of all roles: saturated
        networks show there what they do not show in probabilities.
    """

    component: str
    fidelity: float
    paste: Effect
    removal: Effect
    paste_logit: Effect
    removal_logit: Effect


def transfer(
    bench: Bench, roles: Roles, profile: Profile, outcome: int, rng: np.random.Generator, pairs: int
) -> Transferred | None:
    """Measure what the property does, or None where too few samples can play a role.

    Parameters
    ----------
    bench
        The audited model.
    roles
        Samples with equally many channels.
    profile
        How carriers differ from the rest: the component that makes hosts differ like that is carried over.
    outcome
        The class.
    rng
        Chooses pairs.
    pairs
        Pairs of each test.
    """
    if roles.fewest < _FEWEST:
        return None
    asking = _Asking(bench, outcome, roles.some(rng), profile.span)
    components = COMPONENTS[axes_of(bench.pixels(int(roles.hosts[0])))]
    fidelities = {name: asking.fidelity(roles, one, profile, rng) for name, one in components.items()}
    name = max(fidelities, key=lambda one: fidelities[one])
    pasted = asking.paste(roles, components[name], rng, pairs)
    removed = asking.removal(roles, components[name], rng, pairs)
    return Transferred(
        name, fidelities[name], pasted.probability, removed.probability, pasted.logit, removed.logit
    )


@dataclass(frozen=True)
class _Both:
    probability: Effect
    logit: Effect


class _Asking:
    """Makes changed pictures and sums up the answers for one class."""

    def __init__(self, bench: Bench, outcome: int, usual: Numbers, span: Span) -> None:
        self._bench, self._outcome, self._span = bench, outcome, span
        self._spread = max(float(self._answers(usual).logit.std()), 1e-9)

    def paste(self, roles: Roles, component: Component, rng: np.random.Generator, pairs: int) -> _Both:
        hosts, donors, controls = (
            rng.choice(own, pairs) for own in (roles.hosts, roles.carriers, roles.controls)
        )
        clean = self._answers(hosts)
        changed = [self._ask(self._changed(component, hosts, own)) for own in (donors, controls)]
        return _summed(clean, changed, (donors, hosts), 1 / self._spread)

    def removal(self, roles: Roles, component: Component, rng: np.random.Generator, pairs: int) -> _Both:
        """Take the property of carriers for that of controls; the control is another carrier's."""
        hosts, donors, others = (
            rng.choice(own, pairs) for own in (roles.carriers, roles.controls, roles.carriers)
        )
        clean = self._answers(hosts)
        changed = [self._ask(self._changed(component, hosts, own)) for own in (donors, others)]
        return _summed(clean, changed, (donors, hosts), -1 / self._spread)

    def fidelity(
        self, roles: Roles, component: Component, profile: Profile, rng: np.random.Generator
    ) -> float:
        """Say how far hosts come to differ as carriers do, beyond what a control donor does to them."""
        hosts, donors, controls = (
            rng.choice(own, _PILOT) for own in (roles.hosts, roles.carriers, roles.controls)
        )
        moved = self._changed(component, hosts, donors), self._changed(component, hosts, controls)
        return profile.along(*moved)

    def _answers(self, samples: Numbers) -> _Answers:
        return self._ask([self._bench.pixels(int(sample)) for sample in samples])

    def _changed(self, component: Component, hosts: Numbers, donors: Numbers) -> list[Values]:
        pairs = zip(hosts.tolist(), donors.tolist(), strict=True)
        return [self._change(component, host, donor) for host, donor in pairs]

    def _change(self, component: Component, host: int, donor: int) -> Values:
        own, other = self._bench.pixels(host), self._bench.pixels(donor)
        shares = as_shares(own, self._span)
        return as_values(component(shares, fitted(as_shares(other, self._span), shares)), own, self._span)

    def _ask(self, pictures: Sequence[Values]) -> _Answers:
        logits = self._bench.logits(pictures)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return _Answers(
            (powers / powers.sum(axis=1, keepdims=True))[:, self._outcome], logits[:, self._outcome]
        )


@dataclass(frozen=True)
class _Answers:
    """Probability and centred logit of the class, float64 (n,) each."""

    probability: NDArray[np.float64]
    logit: NDArray[np.float64]


def _summed(
    clean: _Answers, changed: Sequence[_Answers], shared: tuple[Numbers, Numbers], scale: float
) -> _Both:
    """Sum up a change and its control; the sign of ``scale`` says whether a gain or a loss is asked for."""

    def effect(of: Callable[[_Answers], NDArray[np.float64]], unit: float, bound: float) -> Effect:
        moved = [unit * (of(after) - of(clean)) for after in changed]
        return summarise(moved[0], moved[1], *shared, bound=bound)

    return _Both(
        effect(lambda one: one.probability, float(np.sign(scale)), 1.0),
        effect(lambda one: one.logit, scale, float("inf")),
    )
