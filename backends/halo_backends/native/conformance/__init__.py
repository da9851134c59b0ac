"""The conformance kit: what an ODLA library exports, and whether it is right, function by function and op by op."""
