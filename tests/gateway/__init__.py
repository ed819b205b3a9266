"""The domain, without a database and without a provider."""
