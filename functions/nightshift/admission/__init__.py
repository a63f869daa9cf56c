"""The way of a job from `created` to `queued`, `processing` or `failed`."""
