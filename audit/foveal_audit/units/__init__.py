"""From entries to units and facets: what the audit judges one by one."""
