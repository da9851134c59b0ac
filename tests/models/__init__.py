"""Real models for the tests: a catalogue, a fetcher and makers."""
