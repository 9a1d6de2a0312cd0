"""The steps of an experiment, one call each, for the workflow and the command line alike.

A step reads files, calls the library and leaves files that are whole or absent. Each has a module
of its own, so that drawing a figure does not load torch.
"""
