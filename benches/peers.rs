//! blastgate beside its peers, on the same file in the same run:
//! `cargo bench --bench peers -- [FOLDER] [--records N] [--repeat N] [--limit SECONDS] [--only WORD]`.
//!
//! Writes the world into the folder, where it is not there yet, and then runs everything round
//! after round: reading the file, `tcpdump`, `nfdump` on the flows that `nfpcapd` makes of it,
//! DuckDB, polars and pandas on the same packets as CSV, and `blastgate check` with rule sets,
//! inventories and what-if traffic of several sizes. Prints a Markdown table of medians and of
//! ratios; a peer that is not there is said to be missing. What takes longer than a minute is not
//! repeated, and what takes longer than `--limit` is stopped. Times and memory need the `time` and
//! `timeout` commands of GNU.
//!
//! DuckDB, polars and pandas are looked for in `target/bench-venv`, and then in `python3`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

mod world;

use world::files::{self, MIXED, WIDE, Wanted};
use world::{Address, PREFIXES, blocks, traffic};

const PROGRAM: &str = env!("CARGO_BIN_EXE_blastgate");

/// What takes longer is not repeated.
const PATIENCE_S: f64 = 60.0;

/// Counts the rows of a CSV that the filter takes, with the engine that is named, and prints the
/// seconds that it took and the count.
const SCRIPT: &str = r#"
import sys, time
engine, path, dst, threads = sys.argv[1:5]
types = dict(time_us="BIGINT", pop="VARCHAR", src="VARCHAR", dst="VARCHAR", protocol="INTEGER",
             src_port="INTEGER", dst_port="INTEGER", tcp_flags="INTEGER", ttl="INTEGER",
             packet_length="INTEGER", fragment="INTEGER")
if engine == "duckdb":
    import duckdb
    duckdb.execute(f"SET threads TO {threads}")
    duckdb.execute("SET enable_progress_bar = false")
    asked = dict(dst="VARCHAR", protocol="INTEGER", src_port="INTEGER")
    csv = "read_csv('world.csv', header=true, auto_detect=false, delim=',', columns=" + str(types) + ")"
    table = {"world.csv": csv, "world.parquet": "'world.parquet'",
             "world.jsonl": f"read_json('world.jsonl', format='newline_delimited', columns={asked})"}
    if path == "make":
        duckdb.execute(f"COPY (SELECT * FROM {csv}) TO 'world.jsonl' (FORMAT json)")
        duckdb.execute(f"COPY (SELECT * FROM {csv}) TO 'world.parquet' (FORMAT parquet)")
        sys.exit()
    start = time.time()
    found = duckdb.execute(
        f"SELECT count(*) FROM {table[path]} WHERE protocol = 17 AND src_port = 53 AND dst = ?",
        [dst]).fetchone()[0]
elif engine == "polars":
    import os
    os.environ["POLARS_MAX_THREADS"] = threads
    import polars as pl
    start = time.time()
    test = (pl.col("protocol") == 17) & (pl.col("src_port") == 53) & (pl.col("dst") == dst)
    found = pl.scan_csv(path).filter(test).select(pl.len()).collect().item()
else:
    import pandas as pd
    start = time.time()
    rows = pd.read_csv(path, usecols=["dst", "protocol", "src_port"])
    found = int(((rows.protocol == 17) & (rows.src_port == 53) & (rows.dst == dst)).sum())
print(time.time() - start, found)
"#;

//------------ What is run -----------------------------------------------------

/// How a job's output tells what it counted, and its own time if it knows that better.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    Nothing,
    /// PASS, FAIL or CANNOT JUDGE: what could not be judged took no time, either.
    Verdict,
    /// `210 packets`.
    Packets,
    /// A line with `total packets: 210`.
    NfdumpSummary,
    /// `0.5 210`: seconds and count.
    SecondsAndCount,
}

struct Job {
    name: String,
    command: Vec<String>,
    folder: PathBuf,
    tells: Tells,
    /// How many packets it is about; none where a rate would mean nothing.
    packets: Option<u64>,
    /// Why it cannot be run.
    missing: Option<String>,
    runs: Vec<Run>,
    counted: Option<String>,
    note: &'static str,
}

#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    peak_mb: f64,
}

/// Splits a command at its blanks.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

impl Job {
    fn new(name: &str, command: Vec<String>, folder: &Path) -> Job {
        Job {
            name: name.to_owned(),
            command,
            folder: folder.to_owned(),
            tells: Tells::Nothing,
            packets: None,
            missing: None,
            runs: Vec::new(),
            counted: None,
            note: "",
        }
    }

    fn check(name: &str, arguments: &str, folder: &Path) -> Job {
        let line = format!("{PROGRAM} check -q --progress never {arguments}");
        Job::new(&format!("blastgate, {name}"), words(&line), folder).telling(Tells::Verdict)
    }

    fn of(mut self, packets: u64) -> Job {
        self.packets = Some(packets);
        self
    }

    fn telling(mut self, tells: Tells) -> Job {
        self.tells = tells;
        self
    }

    /// Says that it is missing unless a command can be run.
    fn needing(mut self, found: bool, how: &str) -> Job {
        if !found {
            self.missing = Some(how.to_owned());
        }
        self
    }

    fn run(&mut self, limit: u64) {
        let start = Instant::now();
        let output = Command::new("/usr/bin/env")
            .current_dir(&self.folder)
            .args(["time", "-f", "%M %U %S", "timeout", &limit.to_string()])
            .args(&self.command)
            .stdin(Stdio::null())
            .output();
        let mut seconds = start.elapsed().as_secs_f64();
        let Ok(output) = output else {
            self.missing = Some("the `time` and `timeout` commands of GNU".to_owned());
            return;
        };
        let problems = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            // A verdict is no failure.
            Some(0 | 1 | 3) if self.command[0] == PROGRAM => {}
            Some(0) => {}
            Some(124 | 137) => {
                self.note = "stopped";
                self.runs.push(Run { seconds: limit as f64, cpu_seconds: 0.0, peak_mb: 0.0 });
                return;
            }
            _ => {
                let why = problems.lines().find(|line| !line.trim().is_empty());
                self.missing = Some(why.unwrap_or("cannot be run").to_owned());
                return;
            }
        }
        match self.tells {
            Tells::Nothing => {}
            Tells::Verdict => {
                self.counted = text.split(':').next().map(|word| word.trim().to_owned());
            }
            Tells::Packets => {
                self.counted = text.split_whitespace().next().map(str::to_owned);
            }
            Tells::NfdumpSummary => {
                let after = text.split("total packets: ").nth(1);
                self.counted = after.and_then(|rest| rest.split(',').next()).map(str::to_owned);
            }
            Tells::SecondsAndCount => {
                let mut parts = text.split_whitespace();
                // What Python needs to start is not the engine's time.
                seconds = parts.next().and_then(|word| word.parse().ok()).unwrap_or(seconds);
                self.counted = parts.next().map(str::to_owned);
            }
        }
        let last = problems.lines().last().unwrap_or_default();
        let used: Vec<f64> = last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let &[kilobytes, user, system] = used.as_slice() else { return };
        self.runs.push(Run { seconds, cpu_seconds: user + system, peak_mb: kilobytes / 1_000.0 });
    }

    fn is_slow(&self) -> bool {
        self.note == "stopped" || self.runs.iter().any(|run| run.seconds > PATIENCE_S)
    }

    fn median(&self, of: fn(&Run) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

//------------ The jobs --------------------------------------------------------

/// Returns whether a command can be run, and ends well.
fn exists(command: &[&str]) -> bool {
    let tried = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

fn peers(wanted: &Wanted, dst: Address) -> Vec<Job> {
    let folder = wanted.folder.as_path();
    let records = wanted.records;
    let filter = format!("udp and src port 53 and dst host {dst}");
    let job = |name: &str, line: &str| Job::new(name, words(line), folder).of(records);
    let mut jobs =
        vec![job("read the capture (`dd bs=256k`)", "dd if=world.pcap of=/dev/null bs=256k")];
    let tcpdump = exists(&["tcpdump", "--version"]);
    for (name, how, tells) in [
        ("`tcpdump -w /dev/null`, 1 filter", "-w /dev/null", Tells::Nothing),
        ("`tcpdump --count`, 1 filter", "--count", Tells::Packets),
    ] {
        let line = format!("tcpdump -r world.pcap {how} {filter}");
        jobs.push(job(name, &line).telling(tells).needing(tcpdump, "tcpdump"));
    }

    // What nfpcapd makes of the capture is made once.
    let nfdump = exists(&["nfdump", "-V"]) && exists(&["nfpcapd", "-V"]);
    let flows = folder.join("flows");
    let stamp = std::fs::read_to_string(folder.join("stamp")).unwrap_or_default();
    let is_made = std::fs::read_to_string(folder.join("flows-stamp")).is_ok_and(|old| old == stamp);
    if nfdump && !is_made {
        let _ = std::fs::remove_dir_all(&flows);
        let [to, from] =
            [&flows, &folder.join("world.pcap")].map(|path| path.display().to_string());
        let made = std::fs::create_dir_all(&flows).is_ok()
            && exists(&["nfpcapd", "-t", "3600", "-w", &to, "-r", &from]);
        if made {
            let _ = std::fs::write(folder.join("flows-stamp"), stamp);
        }
    }
    let line = "nfdump -R flows -o null".to_owned();
    let mut command = words(&line);
    command.push(format!("proto udp and src port 53 and dst ip {dst}"));
    jobs.push(
        Job::new("`nfdump` on its flows, 1 filter", command, folder)
            .of(records)
            .telling(Tells::NfdumpSummary)
            .needing(nfdump, "nfdump with nfpcapd"),
    );

    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-venv");
    let own = venv.join("bin/python");
    let python = if own.exists() { own.display().to_string() } else { "python3".to_owned() };
    let rows = [("duckdb", "jsonl", 2), ("duckdb", "parquet", 2)];
    let all =
        [("duckdb", "csv", 1), ("duckdb", "csv", 2), ("polars", "csv", 2), ("pandas", "csv", 1)];
    for (engine, form, threads) in all.into_iter().chain(rows) {
        let mut found = exists(&[python.as_str(), "-c", &format!("import {engine}")]);
        if found && form != "csv" && wanted.csv {
            found = made_rows(&python, folder);
        }
        let file = format!("world.{form}");
        let arguments = [engine, &file, &dst.to_string(), &threads.to_string()];
        let mut command = vec![python.clone(), "-c".to_owned(), SCRIPT.to_owned()];
        command.extend(arguments.map(str::to_owned));
        let name = format!("{engine} on {}, 1 filter, {}", form.to_uppercase(), on(threads));
        let how = format!(
            "`python3 -m venv target/bench-venv && target/bench-venv/bin/pip install {engine}`"
        );
        jobs.push(
            Job::new(&name, command, folder)
                .of(records)
                .telling(Tells::SecondsAndCount)
                .needing(wanted.csv && found, &how),
        );
    }
    jobs
}

/// Has DuckDB write the packets in the other forms of rows, unless it did; returns whether they are
/// there.
fn made_rows(python: &str, folder: &Path) -> bool {
    let [stamp, made] = ["stamp", "rows-stamp"].map(|name| folder.join(name));
    let stamp = std::fs::read_to_string(stamp).unwrap_or_default();
    if std::fs::read_to_string(&made).is_ok_and(|old| old == stamp) {
        return true;
    }
    let written = Command::new(python)
        .args(["-c", SCRIPT, "duckdb", "make", "", "2"])
        .current_dir(folder)
        .status()
        .is_ok_and(|status| status.success());
    written && std::fs::write(made, stamp).is_ok()
}

fn checks(wanted: &Wanted) -> Vec<Job> {
    let folder = wanted.folder.as_path();
    let records = wanted.records;
    let job = |name: &str, arguments: &str| Job::check(name, arguments, folder).of(records);
    let mut jobs = Vec::new();
    for threads in [1, 2] {
        let name = format!("1 rule, {}", on(threads));
        jobs.push(job(&name, &format!("rules-1.yaml --threads {threads}")));
    }
    jobs.push(job(
        "1,000 rules, 1 thread",
        "rules-1000.yaml --running rules-1000-running.yaml --threads 1",
    ));
    let mixed = MIXED.iter().filter(|count| **count > 1).map(|count| ("rules", *count));
    for (file, count) in mixed.chain(WIDE.iter().map(|count| ("wide", *count))) {
        let what = if file == "wide" { "wide rules" } else { "rules" };
        let arguments = format!("{file}-{count}.yaml --running {file}-{count}-running.yaml");
        let name = format!("{} {what}, 10 edited, 2 threads", thousands(count as u64));
        jobs.push(job(&name, &format!("{arguments} --threads 2")));
    }
    let thousand = "rules-1000.yaml --running rules-1000-running.yaml --threads 2";
    for form in files::ROWS.iter().filter(|_| wanted.csv) {
        let is_made = *form == "csv" || folder.join("rows-stamp").exists();
        let how = "DuckDB, which makes it";
        for (rules, arguments) in
            [("1 rule", "rules-1.yaml --threads 2"), ("1,000 rules", thousand)]
        {
            let name = format!("{rules}, {}, 2 threads", form.to_uppercase());
            let job = job(&name, &format!("{arguments} --config {form}.yaml"));
            jobs.push(job.needing(is_made, how));
        }
    }
    jobs.push(job("1,000 rules, all new", "rules-1000.yaml --threads 2"));
    jobs.push(job("1,000 rules, 20 attack labels", &format!("{thousand} --config labels.yaml")));
    for count in files::INVENTORIES {
        let name = format!("1,000 rules, {} prefixes", thousands(*count as u64));
        jobs.push(job(&name, &format!("{thousand} --inventory inventory-{count}.csv")));
    }
    if wanted.by_pop {
        jobs.push(job("1,000 rules, 30 files", &format!("{thousand} --config pops.yaml")));
        jobs.push(job(
            "1,000 rules, 30 files, 1 scenario",
            &format!("{thousand} --config scenarios.yaml --scenario five-into-two"),
        ));
        jobs.push(job(
            "1,000 rules, 30 files, 8 scenarios",
            &format!("{thousand} --config scenarios.yaml"),
        ));
    }
    let small = "rules-100.yaml --running rules-100-running.yaml --inventory inventory-1000.csv";
    jobs.push(Job::check(
        "1 MB, 100 rules, 1,000 prefixes",
        &format!("{small} --traffic small.pcap"),
        folder,
    ));
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"));
    jobs.push(Job::check(
        "the sample with its capture alone",
        "--traffic fixtures/sample/attack.pcap --pop ams --sampling 1",
        sample,
    ));
    jobs.push(Job::check("the sample", "", sample));
    jobs
}

/// Asks blastgate how many packets the one rule takes: the same as the peers count.
fn counted(folder: &Path) -> Option<String> {
    let output = Command::new(PROGRAM)
        .current_dir(folder)
        .args(["check", "rules-1.yaml", "-o", "json", "--progress", "never"])
        .output()
        .ok()?;
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(result.pointer("/rules/0/packets")?.to_string())
}

//------------ The table -------------------------------------------------------

fn on(threads: u32) -> &'static str {
    if threads == 1 { "1 thread" } else { "2 threads" }
}

fn thousands(number: u64) -> String {
    let text = number.to_string();
    let mut shown = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn row(job: &Job, bases: &BTreeMap<&str, f64>) -> String {
    let name = &job.name;
    if let Some(missing) = &job.missing {
        return format!("| {name} | missing: {missing} | | | | | | |");
    }
    let seconds = job.median(|run| run.seconds);
    if job.note == "stopped" {
        return format!("| {name} | > {seconds:.0} | | | | | | |");
    }
    let rate = job.packets.map_or(String::new(), |packets| {
        let rate = packets as f64 / seconds / 1e6;
        if rate < 1.0 { format!("{rate:.3}") } else { format!("{rate:.1}") }
    });
    let ratio = |base: &str| {
        let base = job.packets.and(bases.get(base));
        base.map_or(String::new(), |base| format!("{:.2}", base / seconds))
    };
    format!(
        "| {name} | {seconds:.2} | {:.2} | {:.0} | {rate} | {} | {} | {} |",
        job.median(|run| run.cpu_seconds),
        job.median(|run| run.peak_mb),
        ratio("read"),
        ratio("tcpdump"),
        job.counted.as_deref().unwrap_or_default(),
    )
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(1).collect()
}

fn main() -> ExitCode {
    let (mut repeat, mut limit, mut only) = (5, 300, String::new());
    let wanted = Wanted::parse(std::env::args().skip(1), |flag, value| {
        let value = value.unwrap_or_default();
        let number = || value.parse().map_err(|_| format!("`{value}` is no number"));
        match flag {
            "--repeat" => repeat = number()?,
            "--limit" => limit = number()?,
            "--only" => only = value,
            _ => return Err(format!("unknown flag `{flag}`")),
        }
        Ok(())
    });
    let written = wanted.and_then(|wanted| match files::write(&wanted) {
        Ok(_) => Ok(wanted),
        Err(error) => Err(format!("{}: {error}", wanted.folder.display())),
    });
    let wanted = match written {
        Ok(wanted) => wanted,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    let dst = traffic::attacks(&blocks(PREFIXES))[0].target;
    let mut jobs = peers(&wanted, dst);
    jobs.extend(checks(&wanted));
    // The ratios are of these two.
    let is_base = |at: usize| at < 2;
    let mut at = 0;
    jobs.retain(|job| {
        at += 1;
        is_base(at - 1) || job.name.contains(&only)
    });
    let before = load();
    for round in 1..=repeat {
        for job in &mut jobs {
            if job.missing.is_none() && !job.is_slow() {
                eprint!("{round}/{repeat}: {}", job.name);
                job.run(limit);
                eprintln!(": {:.2} s", job.runs.last().map_or(f64::NAN, |run| run.seconds));
            }
        }
    }
    if let Some(job) = jobs.iter_mut().find(|job| job.name == "blastgate, 1 rule, 1 thread") {
        job.counted = counted(&wanted.folder);
    }
    let bases = BTreeMap::from([
        ("read", jobs[0].median(|run| run.seconds)),
        ("tcpdump", jobs[1].median(|run| run.seconds)),
    ]);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{} packets, 100,000 prefixes unless another number is named, {cores} cores; medians of \
         {repeat}, load {before} before and {} after.\n",
        thousands(wanted.records),
        load(),
    );
    println!(
        "| work | s | CPU s | peak MB | M packets/s | × reading | × tcpdump | taken, or verdict |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for job in &jobs {
        println!("{}", row(job, &bases));
    }
    ExitCode::SUCCESS
}
