"""The only folder that imports pydicom."""
