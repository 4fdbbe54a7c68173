"""The bundle: the folder that an audit writes, and how anybody can check that it is intact."""
