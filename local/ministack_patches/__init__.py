"""Where MiniStack differs from AWS, and is put right until it does not."""
