"""Operator functions by family: each appends ops to the innermost open scope, or runs at once in eager mode."""
