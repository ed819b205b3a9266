"""Adapters to payment providers: one folder each, found by entry point, none knows another."""
