"""The contract of a pass, clause by clause; docs/conformance.md lists them."""
