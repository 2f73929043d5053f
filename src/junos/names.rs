//! The words that Junos has for numbers in match conditions (CLI reference, "Firewall Filter Match
//! Conditions Based on Numbers or Text Aliases").

use crate::words::Wrong;
use crate::yaml::nearest;

/// A list of words and their numbers.
pub type Names = &'static [(&'static str, u64)];

/// Protocols, and values of `next-header`.
pub const PROTOCOLS: Names = &[
    ("hop-by-hop", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("egp", 8),
    ("udp", 17),
    ("ipv6", 41),
    ("routing", 43),
    ("fragment", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("no-next-header", 59),
    ("dstopts", 60),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("sctp", 132),
];

/// Ports.
pub const PORTS: Names = &[
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("tacacs", 49),
    ("tacacs-ds", 65),
    ("domain", 53),
    ("bootps", 67),
    ("dhcp", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("finger", 79),
    ("http", 80),
    ("kerberos-sec", 88),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ident", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("xdmcp", 177),
    ("bgp", 179),
    ("ldap", 389),
    ("mobileip-agent", 434),
    ("mobilip-mn", 435),
    ("https", 443),
    ("snpp", 444),
    ("biff", 512),
    ("exec", 512),
    ("login", 513),
    ("who", 513),
    ("cmd", 514),
    ("syslog", 514),
    ("printer", 515),
    ("talk", 517),
    ("ntalk", 518),
    ("rip", 520),
    ("timed", 525),
    ("klogin", 543),
    ("kshell", 544),
    ("ldp", 646),
    ("krb-prop", 754),
    ("krbupdate", 760),
    ("kpasswd", 761),
    ("rkinit", 2108),
    ("eklogin", 2105),
    ("ekshell", 2106),
    ("socks", 1080),
    ("msdp", 639),
    ("radius", 1812),
    ("radacct", 1813),
    ("nfsd", 2049),
    ("cvspserver", 2401),
    ("zephyr-srv", 2102),
    ("zephyr-clt", 2103),
    ("zephyr-hm", 2104),
];

/// ICMP types of IPv4.
pub const ICMP_TYPES: Names = &[
    ("echo-reply", 0),
    ("unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicit", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("mask-request", 17),
    ("mask-reply", 18),
];

/// ICMPv6 types.
pub const ICMP6_TYPES: Names = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("membership-query", 130),
    ("membership-report", 131),
    ("membership-termination", 132),
    ("router-solicit", 133),
    ("router-advertisement", 134),
    ("neighbor-solicit", 135),
    ("neighbor-advertisement", 136),
    ("redirect", 137),
    ("router-renumbering", 138),
    ("node-information-request", 139),
    ("node-information-reply", 140),
    ("inverse-neighbor-discovery-solicitation", 141),
    ("inverse-neighbor-discovery-advertisement", 142),
    ("home-agent-address-discovery-request", 144),
    ("home-agent-address-discovery-reply", 145),
    ("mobile-prefix-solicitation", 146),
    ("mobile-prefix-advertisement-reply", 147),
    ("certificate-path-solicitation", 148),
    ("certificate-path-advertisement", 149),
];

/// ICMP codes of IPv4.
pub const ICMP_CODES: Names = &[
    ("network-unreachable", 0),
    ("host-unreachable", 1),
    ("protocol-unreachable", 2),
    ("port-unreachable", 3),
    ("fragmentation-needed", 4),
    ("source-route-failed", 5),
    ("destination-network-unknown", 6),
    ("destination-host-unknown", 7),
    ("source-host-isolated", 8),
    ("destination-network-prohibited", 9),
    ("destination-host-prohibited", 10),
    ("network-unreachable-for-tos", 11),
    ("host-unreachable-for-tos", 12),
    ("communication-prohibited-by-filtering", 13),
    ("host-precedence-violation", 14),
    ("precedence-cutoff-in-effect", 15),
    ("redirect-for-network", 0),
    ("redirect-for-host", 1),
    ("redirect-for-tos-and-net", 2),
    ("redirect-for-tos-and-host", 3),
    ("ttl-eq-zero-during-transit", 0),
    ("ttl-eq-zero-during-reassembly", 1),
    ("ip-header-bad", 0),
    ("required-option-missing", 1),
];

/// ICMPv6 codes.
pub const ICMP6_CODES: Names = &[
    ("no-route-to-destination", 0),
    ("administratively-prohibited", 1),
    ("address-unreachable", 3),
    ("port-unreachable", 4),
    ("ttl-eq-zero-during-transit", 0),
    ("ttl-eq-zero-during-reassembly", 1),
    ("ip6-header-bad", 0),
    ("unrecognized-next-header", 1),
    ("unrecognized-option", 2),
];

/// Code points.
pub const DSCP: Names = &[
    ("be", 0),
    ("cs0", 0),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("ef", 46),
    ("cs6", 48),
    ("nc1", 48),
    ("cs7", 56),
    ("nc2", 56),
];

/// Values of `precedence`.
pub const PRECEDENCES: Names = &[
    ("routine", 0),
    ("priority", 1),
    ("immediate", 2),
    ("flash", 3),
    ("flash-override", 4),
    ("critical-ecp", 5),
    ("internet-control", 6),
    ("net-control", 7),
];

/// Fields without words.
pub const PLAIN: Names = &[];

/// Reads a number: decimal (with leading zeros), `0x…` or `b…` binary.
pub fn number(text: &str) -> Option<u64> {
    let digits = |text: &str, base: u32| {
        let all = !text.is_empty() && text.chars().all(|c| c.is_digit(base));
        all.then(|| u64::from_str_radix(text, base).ok()).flatten()
    };
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => digits(&text[2..], 16),
        [b'b' | b'B', ..] => digits(&text[1..], 2),
        _ => digits(text, 10),
    }
}

/// Reads a word, a number, or a range of them with `-`.
pub fn range(text: &str, what: &str, names: Names) -> Result<(u64, u64), Wrong> {
    let one = |text: &str| {
        let text = text.trim();
        let named = names.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
        named.or_else(|| number(text))
    };
    if let Some(value) = one(text) {
        return Ok((value, value));
    }
    let wrong =
        |message: String, label: String, help: String| Wrong { message, label, help: Some(help) };
    if let Some((first, last)) = text.split_once('-')
        && let (Some(first), Some(last)) = (one(first), one(last))
    {
        if first > last {
            let help = format!("write `{last}-{first}`");
            return Err(wrong(
                "this range is empty".to_owned(),
                "from more to less".to_owned(),
                help,
            ));
        }
        return Ok((first, last));
    }
    let help = match nearest(text, names.iter().map(|(name, _)| *name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write the number of the {what}"),
    };
    Err(wrong(format!("unknown {what} `{}`", text.escape_debug()), format!("not a {what}"), help))
}

/// Reads a quantity such as `10m`: `k`, `m` and `g` are powers of 1,000.
pub fn quantity(text: &str) -> Option<u64> {
    let (digits, scale) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1_000),
        b'm' | b'M' => (&text[..text.len() - 1], 1_000_000),
        b'g' | b'G' => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1u64),
    };
    // `102.3g` is written as well as `102300m`.
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !all(whole) || !all(fraction) || fraction.len() > 9 {
        return None;
    }
    let tens = 10u128.pow(fraction.len() as u32);
    let value = format!("{whole}{fraction}").parse::<u128>().ok()?.checked_mul(scale.into())?;
    (value % tens == 0).then(|| u64::try_from(value / tens).ok()).flatten()
}
