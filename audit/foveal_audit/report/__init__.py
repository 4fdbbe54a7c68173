"""The report: one self-contained page that an auditor files and an expert reads."""
