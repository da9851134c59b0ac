"""Over tiles: mappings, plans, vertex and exchange cost, search, selection."""
