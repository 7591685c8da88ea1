"""Who asks and what they may do; the stores of others, S3 and KMS, with a caller's permissions."""
