//! The binary `weir`: parse, init, call, exit status.

fn main() {}
