"""Over IPUs: replicas, pipeline stages, micro-batches, collectives."""
