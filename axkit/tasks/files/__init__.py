"""Files of rows, read by ourselves: the columns asked for, as the file says and without a guess. Imports no torch."""
