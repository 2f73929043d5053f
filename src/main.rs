//! The program: parse, run, print, exit.

use std::io::Write;
use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match blastgate::cli::main(std::env::args_os()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to read what we say.
            let closed = error
                .chain()
                .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
                .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
            if closed {
                return ExitCode::SUCCESS;
            }
            // Standard error may be closed or full; the exit code still counts.
            let _ = writeln!(anstream::stderr(), "error: {}", blastgate::cli::said(&error));
            ExitCode::from(2)
        }
    }
}
