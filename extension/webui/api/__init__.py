"""The API: its addresses, what is asked and answered there, and who may ask."""
