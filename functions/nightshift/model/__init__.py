"""The pure part: what a job, a batch, a lease, a request line and a result line are. No I/O and no clock."""
