"""An estimate as Markdown, CSV and one HTML page; table and JSON are the command's own."""
