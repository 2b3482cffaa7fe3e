"""A live page of the runs in a folder: it reads what they write, and writes nothing itself."""
