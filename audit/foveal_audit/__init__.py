"""The offline audit: what a model relies on, what it never learned, and how sure we are."""
