"""Plants typical bugs into our adapters, one at a time: the conformance kit must catch them all."""
