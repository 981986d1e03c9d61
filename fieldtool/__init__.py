"""What people run: sources, pipeline, workflows, command line and terminal screens."""
