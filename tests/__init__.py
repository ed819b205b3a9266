"""The tests; see conftest.py for the fixtures that all of them share."""
