"""The staging gates on a laptop: a file of labelled rows in place of traffic, no server."""
