"""Measurements and long trials of the whole; no part of the product."""
