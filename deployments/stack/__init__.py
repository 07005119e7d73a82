"""The embedded stack: Prefect, MLflow, control service, gateway and a worker on one machine."""
