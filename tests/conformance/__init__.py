"""The conformance kit: our own adapters pass it, and it catches what is wrong."""
