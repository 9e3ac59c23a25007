"""Static SVG plots by matplotlib: light and dark by the colours of the page that they stand in."""
