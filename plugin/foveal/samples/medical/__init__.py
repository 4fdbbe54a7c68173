"""Files of medicine: read without what they say of a person."""
