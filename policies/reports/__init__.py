"""An evaluation in the forms that people and tools read. Pure: each module renders text and writes nothing."""
