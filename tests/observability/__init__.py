"""Metrics, traces, logs, and the dashboard that shows them."""
