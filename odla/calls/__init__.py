"""Graphs as sequences of ODLA calls: what a code generator writes and what a loader of libraries replays."""
