"""The switch: who serves whom, as a flag document that other services can read too."""
