"""A report: one page that says what runs came to and whether they can be compared."""
