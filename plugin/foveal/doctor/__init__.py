"""What may be wrong around Foveal: each check says what, why, and the line to paste."""

from importlib import import_module

from foveal.doctor.checks import Answer, Status, Surroundings, examine

__all__ = ["Answer", "Status", "Surroundings", "examine"]

for _topic in ("versions", "serving", "tracking", "spool"):  # the order in which their checks are made
    import_module(f"foveal.doctor.{_topic}")
