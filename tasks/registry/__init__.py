"""The registry room: which versions exist, and what exactly their files are (a digest)."""
