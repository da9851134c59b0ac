"""One model of the facts of a compile or a run, several renderers."""
