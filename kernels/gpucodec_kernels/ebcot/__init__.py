"""JPEG 2000 Part 1 block coding: ITU-T T.800 Annexes C (arithmetic coding) and D (coefficient bit modelling)."""
