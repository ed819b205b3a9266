"""Tests of what the project ships besides code: packaging, locks, containers, floors."""
