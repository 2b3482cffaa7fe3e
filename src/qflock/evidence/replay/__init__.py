"""Episodes to watch: recording, pages, terminal, files."""
