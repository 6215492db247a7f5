"""Lets `python -m gateway` do what the command `gateway` does."""

from gateway.app.command_line import main

main()
