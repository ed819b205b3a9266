"""The contract over HTTP, with a scripted provider in this process, on both databases."""
