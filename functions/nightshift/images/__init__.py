"""Images: their addresses, their formats, and the uploads bucket."""
