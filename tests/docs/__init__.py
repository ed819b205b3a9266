"""What the documents say is true: their commands run, their names and links exist."""
