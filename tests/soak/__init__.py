"""A short soak; `make soak` is the long one."""
