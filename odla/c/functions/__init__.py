"""Functions that build, bind and run; operators stand in `odla.c.operators`."""
