"""Several API and worker processes on one PostgreSQL, with real signals."""
