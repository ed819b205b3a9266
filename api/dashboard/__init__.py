"""The dashboard: the gateway's pages for people, over the same use cases as the API."""
