"""The order in which things are done. No arithmetic, no input or output of its own."""
