"""What wasmtime-py leaves to us: values that cross the border quickly, host functions, and interruption."""
