"""Tests of the stand-in providers, over real HTTP."""
