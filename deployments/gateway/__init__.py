"""The bundled serving process: answers with registered models as the flag document says."""
