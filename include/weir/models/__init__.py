"""Training, calibration, the artifact, evaluation, drift, registry and promotion."""
