"""The desktop board: pygame around the same headless session and the same explanations as the web page."""
