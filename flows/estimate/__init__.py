"""What a design will be without building it: logic, clock, energy, roofline, memories; their calibration."""
