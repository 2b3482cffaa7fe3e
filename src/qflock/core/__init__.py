"""The names that everything is written in; imports nothing of the library's other rooms."""
