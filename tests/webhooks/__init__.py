"""Tests of what merchants are told: the event feed, webhooks, and the HTTP that carries them."""
