//! `blastgate trace`: which rule takes this packet, and why not the others?

use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::arguments::{RuleArguments, TrafficArguments};
use super::{When, here, is_terminal, plan, style};
use crate::model::Sampling;
use crate::reports::{diagnostics, trace as forms};
use crate::run::{self, Subject, Traced};
use crate::yaml::nearest;

/// What `trace` takes, as typed.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct TraceArguments {
    /// Rule files or folders [default: the config's].
    #[arg(value_name = "RULES", env = "BLASTGATE_RULES", value_delimiter = '\n')]
    rules: Vec<PathBuf>,

    /// One packet in words, `-` for standard input: `src 198.51.100.7 dst 203.0.113.10 tcp syn`.
    #[arg(long, value_name = "WORDS", env = "BLASTGATE_PACKET", help_heading = "Packets")]
    packet: Option<String>,

    /// Every record of a recording, in order, limits keeping their state; `-` for standard input.
    #[arg(long, value_name = "FILE", env = "BLASTGATE_TRAFFIC", help_heading = "Packets")]
    traffic: Option<PathBuf>,

    /// Only this record, step by step, with limits as they are by then.
    #[arg(
        long,
        value_name = "N",
        env = "BLASTGATE_RECORD",
        help_heading = "Packets",
        requires = "traffic",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    record: Option<u64>,

    /// The rules in force: traced as well, and compared by the order of harm.
    #[arg(long, value_name = "PATH", env = "BLASTGATE_RUNNING", help_heading = "Materials")]
    running: Option<PathBuf>,

    /// The rule language, when it cannot be told from the file.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_LANGUAGE", help_heading = "Materials")]
    language: Option<String>,

    /// The hooks that packets pass, for languages that have any: forward, input, prerouting or
    /// ingress [default: forward].
    #[arg(long, value_name = "HOOKS", env = "BLASTGATE_PATH", help_heading = "Materials")]
    path: Option<String>,

    /// The interface by which packets come in, for rules that ask; left out, it is unknown.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_IIF", help_heading = "Materials")]
    iif: Option<String>,

    /// The interface by which packets go out, for rules that ask; left out, it is unknown.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_OIF", help_heading = "Materials")]
    oif: Option<String>,

    /// Customers, asked only by limits `per: customer`; repeat for several.
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_INVENTORY",
        value_delimiter = '\n',
        help_heading = "Materials"
    )]
    inventory: Vec<PathBuf>,

    /// The config [default: `blastgate.yaml`, from here upwards to the first folder with `.git`].
    #[arg(
        long,
        value_name = "FILE",
        env = "BLASTGATE_CONFIG",
        conflicts_with = "no_config",
        help_heading = "Materials"
    )]
    config: Option<PathBuf>,

    /// Use no config.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_NO_CONFIG", help_heading = "Materials")]
    no_config: bool,

    /// The form of the traffic, when it cannot be told from the file.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_FORMAT", help_heading = "Traffic")]
    format: Option<String>,

    /// The PoP of records that do not name one.
    #[arg(long, value_name = "NAME", env = "BLASTGATE_POP", help_heading = "Traffic")]
    pop: Option<String>,

    /// The direction of records that do not name one: ingress or egress.
    #[arg(long, value_name = "WAY", env = "BLASTGATE_DIRECTION", help_heading = "Traffic")]
    direction: Option<String>,

    /// One record stands for N packets; `unknown` if nobody knows for how many.
    #[arg(long, value_name = "N", env = "BLASTGATE_SAMPLING", help_heading = "Traffic")]
    sampling: Option<Sampling>,

    /// Look through GRE, IP-in-IP, VXLAN and Geneve at the inner packet.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_INNER", help_heading = "Traffic")]
    inner: bool,

    /// The time zone of local times in recordings that do not say it: a name, `+02:00`, or `UTC`.
    #[arg(
        long,
        value_name = "NAME",
        env = "BLASTGATE_ZONE",
        allow_hyphen_values = true,
        help_heading = "Traffic"
    )]
    zone: Option<String>,

    /// When profiles without `start` end, as RFC 3339 [default: now].
    #[arg(long, value_name = "TIME", env = "BLASTGATE_NOW", help_heading = "Traffic")]
    now: Option<String>,

    /// Output form: text or json; with `--traffic`, one line a record.
    #[arg(
        short,
        long,
        value_name = "FORM",
        env = "BLASTGATE_OUTPUT",
        default_value = "text",
        help_heading = "Output"
    )]
    output: String,

    /// Colour.
    #[arg(long, value_enum, default_value_t, env = "BLASTGATE_COLOR", help_heading = "Output")]
    color: When,

    /// Print what becomes of the packet, and not the rules on its way.
    #[arg(short, long, value_parser = BoolishValueParser::new(), env = "BLASTGATE_QUIET", help_heading = "Output")]
    quiet: bool,

    /// Print every rule on the way, also of long rule sets.
    #[arg(short, long, action = ArgAction::Count, env = "BLASTGATE_VERBOSE", help_heading = "Output")]
    verbose: u8,
}

const AFTER: &str = "\
Words of a packet, in any order; also `field=value` and `field: value`:
  src A, dst A                  addresses, both of one family
  tcp, udp, icmp, protocol N    the protocol, the one field that must be said
  src_port N, dst_port N        ports, by number or name
  syn, flags syn,ack            TCP flags: these and no others; `flags none`
  icmp_type N, icmp_code N      the type also by name, such as echo-request
  packet_length N, dscp N, ttl N
  fragment none|first|not_first|last, dont_fragment
  pop NAME, direction ingress|egress
  unknown FIELD,FIELD           as if it had not been recorded
What is left out is ordinary and known, as in a profile (ports 50000, ack, ttl 64, 1000 bytes,
ingress, no fragment; nobody's address), but for the PoP, which is unknown.

A limit that a single packet meets has a full bucket. Of a recording, limits keep their state; a
record of several packets is what becomes of those that limits let pass, and `dropped_packets`
counts the others. Records have the numbers of the recording: of a capture, those of its frames, of
rows, those of their lines.

Exit codes: 0 traced, whatever becomes of the packet; 2 usage, config, or no packet; 3 rules or
traffic cannot be read, or what becomes of a packet cannot be told.";

impl TraceArguments {
    /// Returns what `check` would be told of the materials.
    fn materials(&self) -> (RuleArguments, TrafficArguments) {
        let rules = RuleArguments {
            rules: self.rules.clone(),
            running: self.running.clone(),
            language: self.language.clone(),
            path: self.path.clone(),
            iif: self.iif.clone(),
            oif: self.oif.clone(),
            inventory: self.inventory.clone(),
            config: self.config.clone(),
            no_config: self.no_config,
            now: self.now.clone(),
            ..RuleArguments::default()
        };
        let traffic = TrafficArguments {
            traffic: self.traffic.iter().cloned().collect(),
            format: self.format.clone(),
            pop: self.pop.clone(),
            direction: self.direction.clone(),
            sampling: self.sampling,
            inner: self.inner,
            zone: self.zone.clone(),
            ..TrafficArguments::default()
        };
        (rules, traffic)
    }

    fn subject(&self) -> Result<Subject> {
        match (&self.packet, &self.traffic, self.record) {
            (Some(_), Some(_), _) => bail!(
                "--packet and --traffic are two questions; leave one out (BLASTGATE_PACKET and \
                 BLASTGATE_TRAFFIC count as well)"
            ),
            (Some(words), None, _) if words == "-" => {
                if self.rules.iter().any(|path| path.as_os_str() == "-") {
                    bail!("standard input can be read only once");
                }
                let most = crate::packet_text::MAX_BYTES as u64 + 1;
                let mut words = String::new();
                io::stdin()
                    .lock()
                    .take(most)
                    .read_to_string(&mut words)
                    .context("cannot read the packet from standard input")?;
                Ok(Subject::Packet(words.trim_end().to_owned()))
            }
            (Some(words), None, _) => Ok(Subject::Packet(words.clone())),
            (None, Some(_), Some(record)) => Ok(Subject::Record(record)),
            (None, Some(_), None) => Ok(Subject::Records),
            (None, None, _) => bail!(
                "what is to be traced? Name a packet, `--packet 'dst 203.0.113.10 udp'`, or a \
                 recording, `--traffic FILE`"
            ),
        }
    }
}

pub(super) fn run(arguments: &TraceArguments) -> Result<u8> {
    let is_json = match arguments.output.as_str() {
        "text" => false,
        "json" => true,
        other if other.contains('=') => {
            bail!("a trace goes to standard output only; write `-o json > FILE`")
        }
        other => match nearest(other, ["text", "json"].into_iter()) {
            Some(near) => bail!("unknown output form `{other}`; did you mean `{near}`?"),
            None => bail!("unknown output form `{other}`; known: text, json"),
        },
    };
    let (out, errors) = is_terminal();
    let verbose = arguments.verbose > 0;
    let shown = style(arguments.color, out, arguments.quiet, verbose);
    let error_style = style(arguments.color, errors, arguments.quiet, verbose);
    let subject = arguments.subject()?;
    let (rules, traffic) = arguments.materials();
    let (traces, result) = match plan::plan(&rules, Some(&traffic), &here()?)? {
        Err((problems, sources)) => {
            let traces = run::Traces { code: 2, problems, sources };
            (traces, Err(anyhow::anyhow!("the config cannot be used")))
        }
        Ok(plan) => {
            let mut out = BufWriter::new(io::stdout().lock());
            let traces = run::trace(plan, &subject, &mut |traced| match traced {
                Traced::Way(report) if is_json => forms::json(&report, &mut out),
                Traced::Way(report) => forms::text(&report, shown, &mut out),
                Traced::Line(report) if is_json => forms::json_line(&report, &mut out),
                Traced::Line(report) => forms::line(&report, shown, &mut out),
            })
            .context("cannot write to standard output")?;
            out.flush().context("cannot write to standard output")?;
            let code = traces.code;
            (traces, Ok(code))
        }
    };
    for problem in &traces.problems {
        let text = diagnostics::render(problem, &traces.sources, error_style);
        // Standard error may be closed; the exit code still counts.
        let _ = writeln!(anstream::stderr(), "{text}\n");
    }
    result
}
