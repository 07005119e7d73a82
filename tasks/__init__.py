"""What is done: one room per capability, each with pure files, ports, adapters and tasks."""
