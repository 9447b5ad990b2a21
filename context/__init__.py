"""What a completion gets to see: text snapshots, languages and syntax. Knows neither the protocol nor the model."""
