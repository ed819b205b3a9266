"""`python -m api`: the `gateway` command of this very checkout."""

from api.cli import main

main(prog_name="gateway")
