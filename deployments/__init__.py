"""How it is run: the command line, the control service, the gateway and the demo world."""
