"""Segmentation networks: to the audit, classifiers of what they found; each node a patch of the sample."""
