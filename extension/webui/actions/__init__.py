"""What takes a while: converting, bundling, files that were sent; and the jobs that do it."""
