//! The binary `weir`: parse, init, call, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::allocator::give_back_what_is_freed();
    weir::cli::main(std::env::args_os())
}
