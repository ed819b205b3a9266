"""The tour that a newcomer takes, as a newcomer takes it."""
