"""Finance at scale: a year of orders in a real PostgreSQL, and how long its questions take."""
