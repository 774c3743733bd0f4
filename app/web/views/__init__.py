"""The pages: each module has a `page()` that draws it."""
