//! The world as files in one folder.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::rules::{self, Shape};
use super::traffic::{Packet, SNAP, Traffic, attacks};
use super::{Block, POPS, PREFIXES, blocks};

/// Sizes of the mixed rule sets.
pub(crate) const MIXED: &[usize] = &[1, 10, 100, 1_000, 10_000, 100_000];

/// Sizes of the wide rule sets.
pub(crate) const WIDE: &[usize] = &[100, 1_000, 10_000];

/// Sizes of the inventories.
pub(crate) const INVENTORIES: &[usize] = &[1_000, 100_000, 1_000_000];

/// What is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) folder: PathBuf,
    /// How many packets.
    pub(crate) records: u64,
    /// Whether one file for each PoP is wanted as well.
    pub(crate) by_pop: bool,
    /// Whether the packets are wanted as CSV as well.
    pub(crate) csv: bool,
}

impl Wanted {
    /// Reads `[FOLDER] [--records N] [--no-pops] [--no-csv]`; other flags go to `other`, with the
    /// word behind them.
    pub(crate) fn parse(
        arguments: impl Iterator<Item = String>,
        mut other: impl FnMut(&str, Option<String>) -> Result<(), String>,
    ) -> Result<Wanted, String> {
        let mut wanted =
            Wanted { folder: default_folder(), records: 10_000_000, by_pop: true, csv: true };
        // Cargo adds `--bench`.
        let mut arguments = arguments.filter(|word| word != "--bench");
        while let Some(word) = arguments.next() {
            match word.as_str() {
                "--no-pops" => wanted.by_pop = false,
                "--no-csv" => wanted.csv = false,
                "--records" => {
                    let number = arguments.next().unwrap_or_default().replace('_', "");
                    wanted.records =
                        number.parse().map_err(|_| format!("`{number}` is no number"))?;
                }
                _ if word.starts_with("--") => other(&word, arguments.next())?,
                _ => wanted.folder = PathBuf::from(word),
            }
        }
        Ok(wanted)
    }
}

/// Returns `target/bench-world`, wherever `target` is.
fn default_folder() -> PathBuf {
    // The folder for temporary files of tests lies in `target`.
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-world")
}

/// Writes all that is not there yet with as many packets. Returns what was written.
pub(crate) fn write(wanted: &Wanted) -> io::Result<Vec<String>> {
    let folder = &wanted.folder;
    std::fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    let mut note = |name: &str| written.push(name.to_owned());
    let all = blocks(INVENTORIES.iter().copied().max().unwrap_or(PREFIXES));
    let customers = &all[..PREFIXES];

    let stamp = format!("{} records of {:016x}\n", wanted.records, digest(customers));
    let is_fresh = |name: &str| {
        folder.join(name).exists()
            && std::fs::read_to_string(folder.join("stamp")).is_ok_and(|old| old == stamp)
    };
    let traffic = is_fresh("world.pcap")
        && (!wanted.csv || is_fresh("world.csv"))
        && (!wanted.by_pop || is_fresh("pop-00.pcap"));
    if !traffic {
        write_traffic(wanted, customers)?;
        note("traffic");
    }
    for count in INVENTORIES {
        let name = format!("inventory-{count}.csv");
        if !is_fresh(&name) {
            write_inventory(&folder.join(&name), &all[..*count])?;
            note(&name);
        }
    }
    let mixed = MIXED.iter().map(|count| (Shape::Mixed, "rules", *count));
    let wide = WIDE.iter().map(|count| (Shape::Wide, "wide", *count));
    for (shape, name, count) in mixed.chain(wide) {
        let [new, old] = rules::sets(shape, count, customers);
        std::fs::write(folder.join(format!("{name}-{count}.yaml")), new)?;
        std::fs::write(folder.join(format!("{name}-{count}-running.yaml")), old)?;
    }
    write_configs(folder, customers)?;
    std::fs::write(folder.join("stamp"), stamp)?;
    Ok(written)
}

/// Returns a number that is another one when the generator makes other packets.
fn digest(customers: &[Block]) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325u64;
    let mut frame = [0; SNAP];
    for packet in Traffic::new(customers, 10_000) {
        let kept = packet.frame(&mut frame);
        for byte in &frame[..kept] {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    digest
}

fn write_inventory(path: &Path, blocks: &[Block]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "customer,prefix")?;
    for block in blocks {
        writeln!(file, "c{},{}/{}", block.customer, block.first, block.length)?;
    }
    file.flush()
}

/// The forms of rows that the same packets are read in; DuckDB makes all but the first of that.
pub(crate) const ROWS: &[&str] = &["csv", "jsonl", "parquet"];

/// Writes configs: for the one file, also as rows, the same with the attacks labelled, for one file a PoP, and
/// that with what-if traffic.
fn write_configs(folder: &Path, customers: &[Block]) -> io::Result<()> {
    let head = "version: 1\ninventory: [inventory-100000.csv]\n\
                evidence: {max_traffic_age: 36500d}\n";
    let one = "traffic:\n  - {path: world.pcap, pop: pop-00, sampling: 1, observed: before}\n";
    let pops: String = (0..POPS)
        .map(|at| format!("  - {{path: {}, pop: pop-{at:02}, sampling: 1}}\n", pop_file(at)))
        .collect();
    let pops = format!("traffic:\n{pops}");
    let labels: String = attacks(customers)
        .iter()
        .map(|attack| format!("    - {}\n", rules::attack_match(attack)))
        .collect();
    let scenarios = "scenarios:
  - {name: two-into-one, drain: pop-02, to: [pop-01]}
  - {name: five-into-two, drain: pop-05, to: [pop-06, pop-07]}
  - {name: nine-into-three, drain: pop-09, to: {pop-10: 60, pop-11: 30, pop-12: 10}}
  - {name: zero-dark, lose: pop-00}
  - {name: four-dark, lose: pop-04}
  - {name: double-at-three, scale: 2.0, where: {pop: pop-03}}
  - {name: more-of-one, scale: 3.0, where: {customer: c7}}
  - {name: twenty-into-one, drain: pop-20, to: [pop-21]}
";
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text);
    write("blastgate.yaml", format!("{head}{one}"))?;
    write("labels.yaml", format!("{head}{one}labels:\n  attack:\n{labels}"))?;
    write("pops.yaml", format!("{head}{pops}"))?;
    for form in ROWS {
        let columns = "src: src, dst: dst, protocol: protocol, src_port: src_port, dst_port: dst_port, \
                       tcp_flags: tcp_flags, ttl: ttl, packets: {value: 1}, bytes: packet_length, \
                       time: {field: time_us, unit: us}, pop: pop";
        let rows = format!(
            "traffic:\n  - {{path: world.{form}, format: {form}, columns: {{{columns}}}, \
             sampling: 1, observed: before}}\n"
        );
        write(&format!("{form}.yaml"), format!("{head}{rows}"))?;
    }
    write("scenarios.yaml", format!("{head}{pops}{scenarios}"))
}

fn pop_file(at: usize) -> String {
    format!("pop-{at:02}.pcap")
}

//------------ Captures --------------------------------------------------------

fn write_traffic(wanted: &Wanted, customers: &[Block]) -> io::Result<()> {
    let folder = &wanted.folder;
    let mut one = Capture::create(&folder.join("world.pcap"))?;
    // A megabyte, for the time that starting takes.
    let mut small = Capture::create(&folder.join("small.pcap"))?;
    let mut by_pop = Vec::new();
    if wanted.by_pop {
        for at in 0..POPS {
            by_pop.push(Capture::create(&folder.join(pop_file(at)))?);
        }
    }
    let mut csv = match wanted.csv {
        true => Some(BufWriter::with_capacity(1 << 20, File::create(folder.join("world.csv"))?)),
        false => None,
    };
    if let Some(csv) = &mut csv {
        csv.write_all(
            b"time_us,pop,src,dst,protocol,src_port,dst_port,tcp_flags,ttl,packet_length,fragment\n",
        )?;
    }
    let every = (wanted.records / 10_000).max(1);
    for (at, packet) in Traffic::new(customers, wanted.records).enumerate() {
        one.write(&packet)?;
        if (at as u64).is_multiple_of(every) {
            small.write(&packet)?;
        }
        if let Some(file) = by_pop.get_mut(packet.pop) {
            file.write(&packet)?;
        }
        if let Some(csv) = &mut csv {
            write_row(csv, &packet)?;
        }
    }
    one.0.flush()?;
    small.0.flush()?;
    by_pop.iter_mut().try_for_each(|file| file.0.flush())?;
    csv.as_mut().map_or(Ok(()), |csv| csv.flush())
}

fn write_row(csv: &mut impl Write, packet: &Packet) -> io::Result<()> {
    write!(csv, "{},pop-{:02},", packet.time_ns / 1_000, packet.pop)?;
    write!(csv, "{},{},{},", packet.src, packet.dst, packet.protocol)?;
    match packet.has_ports() {
        true => write!(csv, "{},{},{},", packet.src_port, packet.dst_port, packet.tcp_flags)?,
        false => csv.write_all(b",,,")?,
    }
    writeln!(csv, "{},{},{}", packet.ttl, packet.length, packet.fragment)
}

/// A pcap file of Ethernet frames, in microseconds.
struct Capture(BufWriter<File>);

impl Capture {
    fn create(path: &Path) -> io::Result<Capture> {
        let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        file.write_all(&0xa1b2_c3d4u32.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        file.write_all(&(SNAP as u32).to_le_bytes())?;
        file.write_all(&1u32.to_le_bytes())?;
        Ok(Capture(file))
    }

    fn write(&mut self, packet: &Packet) -> io::Result<()> {
        let mut frame = [0; SNAP];
        let kept = packet.frame(&mut frame);
        let microseconds = packet.time_ns / 1_000;
        let head = [
            (microseconds / 1_000_000) as u32,
            (microseconds % 1_000_000) as u32,
            kept as u32,
            packet.on_wire() as u32,
        ];
        for number in head {
            self.0.write_all(&number.to_le_bytes())?;
        }
        self.0.write_all(&frame[..kept])
    }
}
