"""Marks as the plans write them: in one line each."""

from __future__ import annotations

from foveal_audit.planting.case import Mark
from foveal_audit.planting.marks.kinds import Look


def mark(kind: str, placing: str = "fixed", association: str = "class", **fields: object) -> Mark:
    """Plant a mark; ``opacity``, ``area`` and ``at`` belong to its look, all other fields to the mark."""
    look = {name: fields.pop(name) for name in ("opacity", "area", "at") if name in fields}
    return Mark(Look(kind, placing, **look), association, **fields)  # type: ignore[arg-type]


def outcome_mark(kind: str, placing: str) -> Mark:
    """Plant a mark that is the outcome, and all there is of it."""
    return mark(kind, placing, role="outcome", prevalence=1.0, leak=0.0, replaces=True)


def mirrored(role: str) -> tuple[Mark, ...]:
    """Plant the same mark as a confounder of a site, or as the outcome that no site is tied to."""
    association = "site~class" if role == "artefact" else "class"
    return (mark("marker", "fixed", association, role=role, prevalence=0.85),)
