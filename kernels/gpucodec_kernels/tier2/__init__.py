"""JPEG 2000 tier-2: packet headers, the sharing out of coding passes among layers, and where every byte goes."""
