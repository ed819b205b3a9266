"""Money in the books: movements, the ledger, settlement."""
