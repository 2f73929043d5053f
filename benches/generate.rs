//! Writes the world that benches are about into a folder:
//! `cargo bench --bench generate -- [FOLDER] [--records N] [--no-pops] [--no-csv]`.
//!
//! In it are: `world.pcap` (10 million packets of an hour unless told otherwise), the same as one
//! file a PoP (`pop-00.pcap` …) and as `world.csv`; `small.pcap` of a megabyte; inventories of
//! 1,000, 100,000 and 1,000,000 prefixes; rule sets of 1 to 100,000 rules (`rules-*.yaml`,
//! `wide-*.yaml`), each with the same before ten edits (`*-running.yaml`); and configs
//! (`blastgate.yaml`, `labels.yaml`, `pops.yaml`, `scenarios.yaml`). Then, in that folder:
//! `blastgate check rules-1000.yaml --running rules-1000-running.yaml`.

use std::process::ExitCode;

mod world;

use world::files::{self, Wanted};

fn main() -> ExitCode {
    let unknown = |flag: &str, _| Err(format!("unknown flag `{flag}`"));
    let wanted = match Wanted::parse(std::env::args().skip(1), unknown) {
        Ok(wanted) => wanted,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    match files::write(&wanted) {
        Ok(written) if written.is_empty() => println!("all is in {}", wanted.folder.display()),
        Ok(written) => println!("{} in {}", written.join(", "), wanted.folder.display()),
        Err(error) => {
            eprintln!("error: {}: {error}", wanted.folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
