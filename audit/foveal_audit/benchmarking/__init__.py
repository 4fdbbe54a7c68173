"""The benchmark of the audit itself: planted truth, information tiers, opponents, and a scorer set apart."""
