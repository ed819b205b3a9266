"""The soak: merchants and buyers for minutes, while everything that can fail does; then the books.

Real processes on one database, the stand-in providers as a process, random faults and webhook
modes, processes killed and stopped. At the end the weather clears, and what the gateway has stored
must be what the providers' ledger says. `python -m bench.soak --help`.
"""
