"""Conversion of collections of any size, by any number of workers, through crashes."""
