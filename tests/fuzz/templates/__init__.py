"""Templates: functions that add a few nodes of one kind to a draft, with random attributes that fit its shapes."""
