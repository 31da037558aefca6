"""What a stack costs: dated, sourced prices and an estimate of a resource graph. Money is Decimal, never float."""
