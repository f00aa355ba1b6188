"""What a connector imports, one file for an interface or a few that belong together.

`flow:connector` is the contract; of `wasi` this is what a connector needs, and what its C library names.
"""
