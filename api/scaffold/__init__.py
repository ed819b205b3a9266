"""`gateway providers new`: a package for a provider of one's own, from templates."""
