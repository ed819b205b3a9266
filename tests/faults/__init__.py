"""Faults, end to end: real adapters, the stand-in providers over HTTP, a real database."""
