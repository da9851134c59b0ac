"""ODLA programs in C or C++: readable source of a graph, its header, its weights, and a driver that checks it.

The source has the shape that ODLA's own generator made well known: `<name>_init` builds the computation, `<name>` binds
and runs it, `<name>_fini` lets go of it. Weights are one binary file, which an assembler file makes symbols of.
"""

from odla.source.writer import SUFFIX, Language, SourceWriter

__all__ = ["SUFFIX", "Language", "SourceWriter"]
