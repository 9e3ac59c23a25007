"""What answers: models in the runtimes that axkit knows."""
