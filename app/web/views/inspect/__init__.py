"""The tools of the Inspect page, one file each."""
