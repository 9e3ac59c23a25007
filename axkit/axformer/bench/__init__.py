"""The copy that candidates are tried on: layers swapped, hidden states cached, rows in a good order."""
