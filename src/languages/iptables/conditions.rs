//! Conditions on the header: the options that every rule has, and the matches that look at it.

use super::context::{
    Context, Hook, all, complement, every_port, never, not, not_recorded, not_understood, signed,
};
use super::names;
use super::spec::{Setting, Spec, Use};
use super::values::{self, bad};
use crate::model::{
    AddressSet, Diagnostic, Family, FlagTest, FragmentTest, Location, NumberSet, Spanned, Term,
};

/// Terms of a rule, each with the place that says it.
pub(super) type Terms = Vec<Spanned<Term>>;

/// The protocol that a rule asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    /// Its number; zero is any.
    pub(super) number: u8,
    /// Whether it must not be this one.
    pub(super) negated: bool,
}

/// Returns the protocol of a rule.
pub(super) fn protocol(spec: &Spec<'_>) -> Result<Option<Protocol>, Diagnostic> {
    let Some(setting) = spec.basics.iter().find(|basic| basic.name == "protocol") else {
        return Ok(None);
    };
    let is_octal = |text: &str| text.len() > 1 && text.starts_with('0') && !text.starts_with("0x");
    let plain = Some(setting.value(0)).filter(|text| !is_octal(text));
    let number = plain.and_then(names::protocol).ok_or_else(|| {
        bad(
            setting,
            0,
            "is no protocol",
            "write a name of /etc/protocols, such as `udp`, or a number",
        )
    })?;
    if number == 0 && setting.negated {
        return Err(bad(setting, 0, "cannot be negated", "no packet is of no protocol"));
    }
    Ok(Some(Protocol { number, negated: setting.negated }))
}

/// Adds the conditions that every rule may have. They are looked at before any match.
pub(super) fn basics(
    spec: &Spec<'_>,
    terms: &mut Terms,
    context: &mut Context<'_>,
) -> Result<(), Diagnostic> {
    for setting in &spec.basics {
        let location = setting.location;
        let term = match setting.name {
            "source" | "destination" => Some(address(setting, context)?),
            "protocol" => protocol(spec)?.filter(|protocol| protocol.number != 0).map(|protocol| {
                let one = Term::Protocol(one_number(protocol.number));
                signed(one, protocol.negated, location)
            }),
            "in-interface" | "out-interface" => interface(setting, context),
            _ => Some(fragment(setting, context)?),
        };
        terms.extend(term.map(|term| Spanned::new(term, location)));
    }
    Ok(())
}

fn one_number(number: u8) -> NumberSet {
    NumberSet::new([(number.into(), number.into())])
}

fn address(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let is_source = setting.name == "source";
    let location = setting.location;
    let text = format!("{} {}", if is_source { "-s" } else { "-d" }, setting.value(0));
    let term = match values::addresses(setting, context.family)? {
        Some(set) if is_source => Term::Src(set),
        Some(set) => context.translated(Term::Dst(set), &text, location),
        None => {
            context.bound(location, "the mask has too many holes to be followed");
            not_understood(text)
        }
    };
    Ok(signed(term, setting.negated, location))
}

fn interface(setting: &Setting<'_>, context: &mut Context<'_>) -> Option<Term> {
    let is_in = setting.name == "in-interface";
    let pattern = setting.value(0);
    let location = setting.location;
    match context.interface(is_in, pattern) {
        Some(holds) => (holds == setting.negated).then(never),
        None => {
            let (word, flag) = if is_in { ("iif", "--iif") } else { ("oif", "--oif") };
            context.bound(location, format!("the interface is not known; say it with `{flag}`"));
            Some(signed(not_recorded(format!("{word} {pattern}")), setting.negated, location))
        }
    }
}

/// `-f`: second and further fragments of IPv4.
fn fragment(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    if context.family == Family::V6 {
        return Err(Diagnostic::error(setting.location, "`-f` is for IPv4 only")
            .label("not in ip6tables")
            .help("write `-m frag`"));
    }
    let later = if context.reassembles() {
        context.bound(setting.location, "fragments are put together before they come here");
        never()
    } else {
        Term::Fragment(vec![FragmentTest::NotFirst])
    };
    Ok(if setting.negated && context.reassembles() {
        Term::AnyOf(vec![crate::model::Match::any()])
    } else {
        signed(later, setting.negated, setting.location)
    })
}

//------------ Matches ------------------------------------------------------------

/// Adds the conditions of a match on the header; says whether it is one.
pub(super) fn header(
    one: &Use<'_>,
    protocol: Option<Protocol>,
    terms: &mut Terms,
    context: &mut Context<'_>,
) -> Result<bool, Diagnostic> {
    let number = protocol.filter(|protocol| !protocol.negated).map(|protocol| protocol.number);
    let needs = |wanted: &[u8], name: &str| -> Result<(), Diagnostic> {
        if number.is_some_and(|number| wanted.contains(&number)) {
            return Ok(());
        }
        Err(Diagnostic::error(
            one.location,
            format!("`-m {}` is for its own protocol only", one.name()),
        )
        .label("the rule does not ask for the protocol")
        .help(format!("write `-p {name}`; iptables refuses the rule without it")))
    };
    let family = context.family;
    let of_family = |wanted: Family, other: &str| -> Result<(), Diagnostic> {
        if family == wanted {
            return Ok(());
        }
        Err(Diagnostic::error(one.location, format!("`-m {}` is for the other family", one.name()))
            .label("not in this file")
            .help(format!("write `-m {other}`")))
    };
    match one.name() {
        "tcp" => needs(&[6], "tcp")?,
        "udp" => needs(&[17], "udp")?,
        "sctp" => needs(&[132], "sctp")?,
        "dccp" => needs(&[33], "dccp")?,
        "multiport" => needs(&[6, 17, 33, 132, 136], "tcp` or `-p udp")?,
        "icmp" => {
            of_family(Family::V4, "icmp6")?;
            needs(&[1], "icmp")?;
        }
        "icmp6" => {
            of_family(Family::V6, "icmp")?;
            needs(&[58], "icmpv6")?;
        }
        "ttl" => of_family(Family::V4, "hl")?,
        "hl" => of_family(Family::V6, "ttl")?,
        "frag" => {
            of_family(Family::V6, "u32` or `-f")?;
            frag(one, terms, context);
            return Ok(true);
        }
        "length" | "dscp" | "tos" | "iprange" => {}
        _ => return Ok(false),
    }
    for setting in &one.settings {
        let term = match setting.name {
            "sport" | "dport" | "sports" | "dports" | "ports" => {
                ports(one, setting, number.unwrap_or(0), context)?
            }
            "tcp-flags" | "syn" => flags(setting, context)?,
            "icmp-type" | "icmpv6-type" => icmp(setting, context)?,
            "length" => length(setting, context)?,
            "ttl-eq" | "ttl-lt" | "ttl-gt" | "hl-eq" | "hl-lt" | "hl-gt" => ttl(setting, context)?,
            "dscp" | "dscp-class" => dscp(setting, context)?,
            "tos" => tos(setting, context)?,
            "src-range" | "dst-range" => range(setting, context)?,
            _ => {
                // Options and chunks of the upper layer: real, and in no record.
                context.bound(setting.location, "what it asks for is in no record");
                let mut text = one.name().to_owned();
                super::spec::push(&mut text, setting);
                not_recorded(text)
            }
        };
        terms.push(Spanned::new(term, setting.location));
    }
    Ok(true)
}

fn ports(
    one: &Use<'_>,
    setting: &Setting<'_>,
    protocol: u8,
    context: &mut Context<'_>,
) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let is_multi = one.name() == "multiport";
    let set = values::ports(setting, is_multi)?;
    let mut text = String::from(match protocol {
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        132 => "sctp",
        _ => "udplite",
    });
    super::spec::push(&mut text, setting);
    if protocol == 33 {
        context.bound(location, "ports of DCCP are in no record");
        return Ok(not_recorded(text));
    }
    // Packets without ports match neither the ports nor what is not them.
    let wanted = if setting.negated { complement(&set, 65_535) } else { set.clone() };
    let holds = match setting.name {
        "sport" | "sports" => Term::SrcPort(wanted),
        "dport" | "dports" => context.translated(Term::DstPort(wanted), &text, location),
        _ if setting.negated => Term::AnyOf(vec![all(
            [
                Term::SrcPort(wanted.clone()),
                context.translated(Term::DstPort(wanted), &text, location),
            ],
            location,
        )]),
        _ => Term::AnyOf(vec![
            all([Term::SrcPort(wanted.clone())], location),
            all([context.translated(Term::DstPort(wanted), &text, location)], location),
        ]),
    };
    // Only the plain matches of TCP and UDP are turned into expressions of nftables.
    let is_native = !is_multi && matches!(protocol, 6 | 17);
    let any = Term::DstPort(every_port());
    let texts = looked_for(setting, &set, text);
    Ok(context.carried(holds, any, is_native, &texts, location))
}

/// Returns what a condition on ports looks for, one text for each range of a few: the same ports
/// are the same unknown, in one rule or in several.
fn looked_for(setting: &Setting<'_>, set: &NumberSet, text: String) -> Vec<String> {
    if setting.negated || set.ranges().is_empty() || set.ranges().len() > MOST_APART {
        return vec![text];
    }
    let protocol = text.split(' ').next().unwrap_or_default();
    let name = match setting.name {
        "sports" => "sport",
        "dports" => "dport",
        name => name,
    };
    let ranges = set.ranges().iter();
    ranges
        .map(|(first, last)| match first == last {
            true => format!("{protocol} --{name} {first}"),
            false => format!("{protocol} --{name} {first}:{last}"),
        })
        .collect()
}

/// More ranges of ports than these are one unknown: every unknown doubles what a packet may meet.
const MOST_APART: usize = 4;

/// FIN, SYN, RST and ACK, which `--syn` looks at, and SYN.
const SYN: (u8, u8) = (0x17, 0x02);

fn flags(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let (mask, value) = match setting.name {
        "syn" => SYN,
        _ => (values::flags(setting, 0)?, values::flags(setting, 1)?),
    };
    let location = setting.location;
    let holds = if value & !mask != 0 {
        // A flag that must be set and is not looked at.
        if setting.negated { Term::TcpFlags(vec![FlagTest { mask: 0, value: 0 }]) } else { never() }
    } else if setting.negated {
        let bits = (0..8).map(|bit| 1 << bit).filter(|bit| mask & bit != 0);
        let tests: Vec<FlagTest> =
            bits.map(|bit| FlagTest { mask: bit, value: !value & bit }).collect();
        if tests.is_empty() { never() } else { Term::TcpFlags(tests) }
    } else {
        Term::TcpFlags(vec![FlagTest { mask, value }])
    };
    let mut text = "tcp".to_owned();
    super::spec::push(&mut text, setting);
    let any = Term::TcpFlags(vec![FlagTest { mask: 0, value: 0 }]);
    Ok(context.carried(holds, any, true, &[text], location))
}

fn icmp(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let is_v6 = context.family == Family::V6;
    let any = Term::IcmpType(NumberSet::new([(0, 255)]));
    let text = setting.value(0);
    // The kernel takes type 255 for any, whatever the code.
    let is_any = text.eq_ignore_ascii_case("any") || text == "255" || text.starts_with("255/");
    let holds = if is_any && !is_v6 {
        if setting.negated { never() } else { any.clone() }
    } else {
        let Some((kind, codes)) = names::icmp(text, is_v6) else {
            let near = crate::yaml::nearest(text, names::icmp_names(is_v6));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write a name, a number, or `3/4`".to_owned(),
            };
            return Err(bad(setting, 0, "is no ICMP type", &help));
        };
        let kind = Term::IcmpType(NumberSet::new([(kind.into(), kind.into())]));
        let is_all = codes == (0, 255);
        let codes = Term::IcmpCode(NumberSet::new([(codes.0.into(), codes.1.into())]));
        let both = all([kind].into_iter().chain((!is_all).then_some(codes)), location);
        if setting.negated {
            let inside = all([any.clone(), Term::Not(both)], location);
            Term::AnyOf(vec![inside])
        } else {
            Term::AnyOf(vec![both])
        }
    };
    let mut named = "icmp".to_owned();
    super::spec::push(&mut named, setting);
    Ok(context.carried(holds, any, false, &[named], location))
}

fn length(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let (first, last) = values::range(setting, ':', 65_535)?;
    let plain = Term::PacketLength(NumberSet::new([(first, last)]));
    let plain = signed(plain, setting.negated, location);
    if !context.reassembles() {
        return Ok(plain);
    }
    // Of a fragment the whole packet is measured.
    let part = Term::Fragment(vec![FragmentTest::Any]);
    let unknown = not_recorded(format!("length {} of a whole packet", setting.value(0)));
    Ok(Term::AnyOf(vec![
        all([not(part.clone(), location), plain], location),
        all([part, signed(unknown, setting.negated, location)], location),
    ]))
}

fn ttl(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let value = values::number(setting, 0, 255)?;
    let kind = setting.name.rsplit('-').next().unwrap_or("");
    if context.facts.sets_ttl {
        context.bound(location, "a rule of this set changes it");
        let mut text = String::new();
        super::spec::push(&mut text, setting);
        let unknown = not_recorded(text.trim().trim_start_matches("! ").to_owned());
        return Ok(signed(unknown, setting.negated, location));
    }
    // Forwarding takes one off before the first chain that sees it.
    let hop = u64::from(matches!(context.hook, Hook::Forward | Hook::Postrouting));
    let range = match kind {
        "eq" => Some((value + hop, value + hop)),
        "lt" => (value + hop).checked_sub(1).filter(|_| value > 0).map(|last| (hop, last)),
        _ => Some((value + 1 + hop, 255)),
    };
    let set = NumberSet::new(range.filter(|(first, last)| first <= last && *first <= 255));
    if set.ranges().is_empty() {
        let is_true = setting.negated;
        return Ok(if is_true { Term::AnyOf(vec![crate::model::Match::any()]) } else { never() });
    }
    Ok(signed(Term::Ttl(set), setting.negated, location))
}

fn dscp(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let value = match setting.name {
        "dscp" => values::number(setting, 0, 63)?,
        _ => names::dscp_class(setting.value(0)).map(u64::from).ok_or_else(|| {
            bad(setting, 0, "is no DSCP class", "write EF, BE, AF11 to AF43 or CS0 to CS7")
        })?,
    };
    let set = NumberSet::new([(value, value)]);
    Ok(service(Term::Dscp(set), setting, context, location))
}

/// A condition on the type of service, which rules may have changed before.
fn service(
    term: Term,
    setting: &Setting<'_>,
    context: &mut Context<'_>,
    location: Location,
) -> Term {
    let term = if context.facts.sets_dscp {
        context.bound(location, "a rule of this set changes it");
        not_recorded(format!("{} {}", setting.name, setting.value(0)))
    } else {
        term
    };
    signed(term, setting.negated, location)
}

fn tos(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let text = setting.value(0);
    let byte = |text: &str| values::parse_number(text).and_then(|n| u8::try_from(n).ok());
    let read = names::tos(text).or_else(|| match text.split_once('/') {
        Some((value, mask)) => Some((byte(value)?, byte(mask)?)),
        None => Some((byte(text)?, 0xff)),
    });
    let Some((value, mask)) = read else {
        return Err(bad(
            setting,
            0,
            "is no type of service",
            "write a number, `0x10/0x3f`, or `Minimize-Delay`",
        ));
    };
    let fits =
        (0u64..64).filter(|dscp| (dscp << 2) & u64::from(mask & !3) == u64::from(value & !3));
    let set = NumberSet::new(fits.map(|dscp| (dscp, dscp)));
    let mut term = if set.ranges().is_empty() { never() } else { Term::Dscp(set) };
    if mask & 3 != 0 {
        context.bound(location, "the two bits of ECN are in no record");
        let ecn = not_recorded(format!("ecn {}/{}", value & 3, mask & 3));
        term = Term::AnyOf(vec![all([term, ecn], location)]);
    }
    Ok(service(term, setting, context, location))
}

fn range(setting: &Setting<'_>, context: &mut Context<'_>) -> Result<Term, Diagnostic> {
    let location = setting.location;
    let range = values::address_range(setting, context.family)?;
    let set = AddressSet::new([range]);
    let term = if setting.name == "src-range" {
        Term::Src(set)
    } else {
        let text = format!("--dst-range {}", setting.value(0));
        context.translated(Term::Dst(set), &text, location)
    };
    Ok(signed(term, setting.negated, location))
}

/// `-m frag`: what the fragment header of IPv6 says.
fn frag(one: &Use<'_>, terms: &mut Terms, context: &mut Context<'_>) {
    let location = one.location;
    let mut tests = vec![FragmentTest::First, FragmentTest::NotFirst];
    let mut unknown = Vec::new();
    // A fragment header on a packet that is whole: offset zero, and no more to come.
    let mut may_be_whole = true;
    let mut not_last = false;
    for setting in &one.settings {
        match setting.name {
            "fragfirst" => tests.retain(|test| *test == FragmentTest::First),
            "fragmore" => (may_be_whole, not_last) = (false, true),
            "fraglast" => tests = vec![FragmentTest::Last],
            _ => {
                let mut text = "frag".to_owned();
                super::spec::push(&mut text, setting);
                unknown.push(not_recorded(text));
            }
        }
    }
    let mut branches = Vec::new();
    if !context.reassembles() && !tests.is_empty() {
        let mut part = vec![Term::Fragment(tests)];
        if not_last {
            part.push(not(Term::Fragment(vec![FragmentTest::Last]), location));
        }
        branches.push(all(part, location));
    }
    if may_be_whole {
        context.bound(location, "whether a whole packet has a fragment header is in no record");
        let whole = Term::Fragment(vec![FragmentTest::None]);
        branches.push(all([whole, not_recorded("a fragment header on a whole packet")], location));
    }
    let term = if branches.is_empty() { never() } else { Term::AnyOf(branches) };
    terms.push(Spanned::new(term, location));
    terms.extend(unknown.into_iter().map(|term| Spanned::new(term, location)));
}
