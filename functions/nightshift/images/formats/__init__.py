"""The formats of image that OpenAI reads, one file each: what a few portions of a file say of the whole."""
