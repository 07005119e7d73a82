"""The control service: the switch over HTTP, and the clock that asks what is overdue."""
