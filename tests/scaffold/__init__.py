"""`gateway providers new`."""
