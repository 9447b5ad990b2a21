"""Models compared on the project's own benchmarks: what a suite runs, how it is judged, what is said of it."""
