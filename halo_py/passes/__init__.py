"""Graph passes: one per file, one explicit list, named pipelines."""
