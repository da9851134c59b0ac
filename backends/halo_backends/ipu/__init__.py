"""The simulated IPU: values and cycles from one run."""
