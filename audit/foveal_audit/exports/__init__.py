"""A bundle in the formats of other people's tools; each is made from its findings and its manifest alone."""
