"""Sign-offs: who may decide, what exactly they sign, and whether a signature holds."""
