"""Whether what the champion is asked about in production is still what it was tested on."""
