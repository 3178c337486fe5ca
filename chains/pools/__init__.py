"""One file per AMM family: state in, exact integers out. No I/O."""
