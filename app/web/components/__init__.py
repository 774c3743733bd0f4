"""The page's own components: HTML, CSS and JavaScript that draw what Python tells them and report what was clicked."""
