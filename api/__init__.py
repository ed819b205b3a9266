"""Everything that faces outwards: HTTP, command line, worker process; and the composition root."""
