"""`foretype train`: adapters from mined rows. torch and its like are imported here and in `model/hf.py` alone."""
