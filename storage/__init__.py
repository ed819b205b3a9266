"""The store: SQLAlchemy tables, transactions and read queries, on SQLite and PostgreSQL alike."""
