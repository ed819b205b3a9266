"""`gateway demo`: everything at once, with a little shop that is a merchant like any other."""
