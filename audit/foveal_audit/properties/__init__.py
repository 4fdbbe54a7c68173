"""Properties of whole pictures that a network may rely on: tint, noise, focus, bands, watermarks, rims.

What is everywhere in a picture has no window that could be cut out and pasted, and maps of attribution do not
show it (Adebayo et al. 2022). It is found another way: by statistics of coarse tiles that know nothing of the
model, in which some pictures of a class differ from all others; and it is proven by carrying just that
component from one whole picture to another.
"""

from foveal_audit.properties.facet import PropertyFacet
from foveal_audit.properties.finding import PropertySettings, find_properties

__all__ = ["PropertyFacet", "PropertySettings", "find_properties"]
