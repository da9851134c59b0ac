"""Devices behind ODLA: CPU, the simulated IPU, the reference evaluator."""
