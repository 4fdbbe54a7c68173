"""Samples of one axis: signal traces and sounds."""
