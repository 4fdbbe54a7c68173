"""Marks that have nothing to do with an outcome, of every kind that is planted."""
