"""The commands `halo` and `halo-compile`: one file per command, each imported when it is called."""
