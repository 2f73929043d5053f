//! The matches and targets that are known, with their options and how many values each takes
//! (iptables-extensions(8)).

/// One extension: its names, the first of which it is called here, and its options.
#[derive(Debug)]
pub(super) struct Extension {
    /// Names, the canonical one first.
    pub(super) names: &'static [&'static str],
    /// Options without their dashes, other spellings after a bar, and how many values each takes.
    pub(super) options: &'static [(&'static str, usize)],
}

impl Extension {
    /// Returns what it is called here.
    pub(super) fn name(&self) -> &'static str {
        self.names[0]
    }

    /// Returns the canonical name of one of its options and how many values it takes.
    pub(super) fn option(&self, text: &str) -> Option<(&'static str, usize)> {
        let (names, values) =
            self.options.iter().find(|(names, _)| names.split('|').any(|name| name == text))?;
        Some((names.split('|').next().unwrap_or(names), *values))
    }
}

/// Returns the match of this name.
pub(super) fn find_match(name: &str) -> Option<&'static Extension> {
    MATCHES.iter().find(|extension| extension.names.contains(&name))
}

/// Returns the target of this name.
pub(super) fn find_target(name: &str) -> Option<&'static Extension> {
    TARGETS.iter().find(|extension| extension.names.contains(&name))
}

const fn new(
    names: &'static [&'static str],
    options: &'static [(&'static str, usize)],
) -> Extension {
    Extension { names, options }
}

const PORTS: &[(&str, usize)] = &[("sport|source-port", 1), ("dport|destination-port", 1)];

/// Matches.
pub(super) const MATCHES: &[Extension] = &[
    new(
        &["tcp"],
        &[
            ("sport|source-port", 1),
            ("dport|destination-port", 1),
            ("tcp-flags", 2),
            ("syn", 0),
            ("tcp-option", 1),
        ],
    ),
    new(&["udp"], PORTS),
    new(&["sctp"], &[("sport|source-port", 1), ("dport|destination-port", 1), ("chunk-types", 2)]),
    new(
        &["dccp"],
        &[
            ("sport|source-port", 1),
            ("dport|destination-port", 1),
            ("dccp-types", 1),
            ("dccp-option", 1),
        ],
    ),
    new(&["icmp"], &[("icmp-type", 1)]),
    new(&["icmp6", "icmpv6", "ipv6-icmp"], &[("icmpv6-type", 1)]),
    new(
        &["multiport"],
        &[("sports|source-ports", 1), ("dports|destination-ports", 1), ("ports", 1)],
    ),
    new(
        &["set"],
        &[
            ("match-set|set", 2),
            ("return-nomatch", 0),
            ("update-counters", 0),
            ("update-subcounters", 0),
            ("packets-eq", 1),
            ("packets-lt", 1),
            ("packets-gt", 1),
            ("bytes-eq", 1),
            ("bytes-lt", 1),
            ("bytes-gt", 1),
        ],
    ),
    new(
        &["conntrack"],
        &[
            ("ctstate", 1),
            ("ctproto", 1),
            ("ctorigsrc", 1),
            ("ctorigdst", 1),
            ("ctreplsrc", 1),
            ("ctrepldst", 1),
            ("ctorigsrcport", 1),
            ("ctorigdstport", 1),
            ("ctreplsrcport", 1),
            ("ctrepldstport", 1),
            ("ctstatus", 1),
            ("ctexpire", 1),
            ("ctdir", 1),
        ],
    ),
    new(&["state"], &[("state", 1)]),
    new(&["length"], &[("length", 1)]),
    new(&["ttl"], &[("ttl-eq|ttl", 1), ("ttl-lt", 1), ("ttl-gt", 1)]),
    new(&["hl"], &[("hl-eq|hl", 1), ("hl-lt", 1), ("hl-gt", 1)]),
    new(&["dscp"], &[("dscp", 1), ("dscp-class", 1)]),
    new(&["tos"], &[("tos", 1)]),
    new(&["mark"], &[("mark", 1)]),
    new(&["connmark"], &[("mark", 1)]),
    new(
        &["addrtype"],
        &[("src-type", 1), ("dst-type", 1), ("limit-iface-in", 0), ("limit-iface-out", 0)],
    ),
    new(
        &["connlimit"],
        &[
            ("connlimit-upto", 1),
            ("connlimit-above", 1),
            ("connlimit-mask", 1),
            ("connlimit-saddr", 0),
            ("connlimit-daddr", 0),
        ],
    ),
    new(&["connbytes"], &[("connbytes", 1), ("connbytes-dir", 1), ("connbytes-mode", 1)]),
    new(&["connlabel"], &[("label", 1), ("set", 0)]),
    new(&["iprange"], &[("src-range", 1), ("dst-range", 1)]),
    new(&["mac"], &[("mac-source", 1)]),
    new(
        &["physdev"],
        &[
            ("physdev-in", 1),
            ("physdev-out", 1),
            ("physdev-is-in", 0),
            ("physdev-is-out", 0),
            ("physdev-is-bridged", 0),
        ],
    ),
    new(
        &["time"],
        &[
            ("datestart", 1),
            ("datestop", 1),
            ("timestart", 1),
            ("timestop", 1),
            ("monthdays", 1),
            ("weekdays|days", 1),
            ("contiguous", 0),
            ("kerneltz", 0),
            ("utc", 0),
            ("localtz", 0),
        ],
    ),
    new(
        &["recent"],
        &[
            ("name", 1),
            ("set", 0),
            ("rcheck", 0),
            ("update", 0),
            ("remove", 0),
            ("seconds", 1),
            ("reap", 0),
            ("hitcount", 1),
            ("rttl", 0),
            ("mask", 1),
            ("rsource", 0),
            ("rdest", 0),
        ],
    ),
    new(
        &["string"],
        &[("algo", 1), ("from", 1), ("to", 1), ("string", 1), ("hex-string", 1), ("icase", 0)],
    ),
    new(&["u32"], &[("u32", 1)]),
    new(&["bpf"], &[("bytecode", 1), ("object-pinned", 1)]),
    new(&["statistic"], &[("mode", 1), ("probability", 1), ("every", 1), ("packet", 1)]),
    new(
        &["owner"],
        &[("uid-owner", 1), ("gid-owner", 1), ("socket-exists", 0), ("suppl-groups", 0)],
    ),
    new(&["limit"], &[("limit", 1), ("limit-burst", 1)]),
    new(
        &["hashlimit"],
        &[
            ("hashlimit-upto|hashlimit", 1),
            ("hashlimit-above", 1),
            ("hashlimit-burst", 1),
            ("hashlimit-mode", 1),
            ("hashlimit-srcmask", 1),
            ("hashlimit-dstmask", 1),
            ("hashlimit-name", 1),
            ("hashlimit-htable-size", 1),
            ("hashlimit-htable-max", 1),
            ("hashlimit-htable-expire", 1),
            ("hashlimit-htable-gcinterval", 1),
            ("hashlimit-rate-match", 0),
            ("hashlimit-rate-interval", 1),
        ],
    ),
    new(&["comment"], &[("comment", 1)]),
    new(
        &["frag"],
        &[
            ("fragid", 1),
            ("fraglen", 1),
            ("fragres", 0),
            ("fragfirst", 0),
            ("fragmore", 0),
            ("fraglast", 0),
        ],
    ),
    new(&["ipv6header"], &[("header", 1), ("soft", 0)]),
    new(
        &["rt"],
        &[
            ("rt-type", 1),
            ("rt-segsleft", 1),
            ("rt-len", 1),
            ("rt-0-res", 0),
            ("rt-0-addrs", 1),
            ("rt-0-not-strict", 0),
        ],
    ),
    new(&["hbh"], &[("hbh-len", 1), ("hbh-opts", 1)]),
    new(&["dst"], &[("dst-len", 1), ("dst-opts", 1)]),
    new(&["ah"], &[("ahspi", 1), ("ahlen", 1), ("ahres", 0)]),
    new(&["esp"], &[("espspi", 1)]),
    new(&["pkttype"], &[("pkt-type", 1)]),
    new(&["quota"], &[("quota", 1)]),
    new(&["realm"], &[("realm", 1)]),
    new(&["rpfilter"], &[("loose", 0), ("validmark", 0), ("accept-local", 0), ("invert", 0)]),
    new(&["socket"], &[("transparent", 0), ("nowildcard", 0), ("restore-skmark", 0)]),
    new(&["tcpmss"], &[("mss", 1)]),
    new(&["cpu"], &[("cpu", 1)]),
    new(&["helper"], &[("helper", 1)]),
    new(&["devgroup"], &[("src-group", 1), ("dst-group", 1)]),
    new(&["cgroup"], &[("path", 1), ("cgroup", 1)]),
    new(&["nfacct"], &[("nfacct-name", 1)]),
    new(
        &["policy"],
        &[
            ("dir", 1),
            ("pol", 1),
            ("strict", 0),
            ("reqid", 1),
            ("spi", 1),
            ("proto", 1),
            ("mode", 1),
            ("tunnel-src", 1),
            ("tunnel-dst", 1),
            ("next", 0),
        ],
    ),
];

const NAT: &[(&str, usize)] = &[
    ("to-source", 1),
    ("to-destination", 1),
    ("to-ports", 1),
    ("to", 1),
    ("random", 0),
    ("random-fully", 0),
    ("persistent", 0),
];
const LOGGING: &[(&str, usize)] = &[
    ("log-level", 1),
    ("log-prefix", 1),
    ("log-tcp-sequence", 0),
    ("log-tcp-options", 0),
    ("log-ip-options", 0),
    ("log-uid", 0),
    ("log-macdecode", 0),
    ("nflog-group", 1),
    ("nflog-prefix", 1),
    ("nflog-range", 1),
    ("nflog-size", 1),
    ("nflog-threshold", 1),
    ("ulog-nlgroup", 1),
    ("ulog-prefix", 1),
    ("ulog-cprange", 1),
    ("ulog-qthreshold", 1),
];

/// Targets; ACCEPT, DROP, RETURN and QUEUE have no options.
pub(super) const TARGETS: &[Extension] = &[
    new(&["ACCEPT"], &[]),
    new(&["DROP"], &[]),
    new(&["RETURN"], &[]),
    new(&["QUEUE"], &[]),
    new(&["REJECT"], &[("reject-with", 1)]),
    new(&["LOG", "NFLOG", "ULOG"], LOGGING),
    new(
        &["MARK"],
        &[("set-mark", 1), ("set-xmark", 1), ("and-mark", 1), ("or-mark", 1), ("xor-mark", 1)],
    ),
    new(
        &["CONNMARK"],
        &[
            ("set-mark", 1),
            ("set-xmark", 1),
            ("and-mark", 1),
            ("or-mark", 1),
            ("xor-mark", 1),
            ("save-mark", 0),
            ("restore-mark", 0),
            ("nfmask", 1),
            ("ctmask", 1),
            ("mask", 1),
            ("left-shift-mark", 1),
            ("right-shift-mark", 1),
        ],
    ),
    new(&["CONNSECMARK"], &[("save", 0), ("restore", 0)]),
    new(&["SECMARK"], &[("selctx", 1)]),
    new(&["DSCP"], &[("set-dscp", 1), ("set-dscp-class", 1)]),
    new(&["TOS"], &[("set-tos", 1), ("and-tos", 1), ("or-tos", 1), ("xor-tos", 1)]),
    new(&["ECN"], &[("ecn-tcp-remove", 0)]),
    new(&["NOTRACK"], &[]),
    new(
        &["CT"],
        &[
            ("notrack", 0),
            ("helper", 1),
            ("ctevents", 1),
            ("expevents", 1),
            ("zone", 1),
            ("zone-orig", 1),
            ("zone-reply", 1),
            ("timeout", 1),
        ],
    ),
    new(&["TRACE"], &[]),
    new(&["TCPMSS"], &[("set-mss", 1), ("clamp-mss-to-pmtu", 0)]),
    new(&["TCPOPTSTRIP"], &[("strip-options", 1)]),
    new(&["TTL"], &[("ttl-set", 1), ("ttl-inc", 1), ("ttl-dec", 1)]),
    new(&["HL"], &[("hl-set", 1), ("hl-inc", 1), ("hl-dec", 1)]),
    new(
        &["NFQUEUE"],
        &[("queue-num", 1), ("queue-balance", 1), ("queue-bypass", 0), ("queue-cpu-fanout", 0)],
    ),
    new(&["SNAT"], NAT),
    new(&["DNAT"], NAT),
    new(&["MASQUERADE"], NAT),
    new(&["REDIRECT"], NAT),
    new(&["NETMAP"], NAT),
    new(
        &["SET"],
        &[
            ("add-set", 2),
            ("del-set", 2),
            ("map-set", 2),
            ("exist", 0),
            ("timeout", 1),
            ("map-mark", 0),
            ("map-prio", 0),
            ("map-queue", 0),
        ],
    ),
    new(
        &["SYNPROXY"],
        &[("sack-perm", 0), ("timestamp", 0), ("wscale", 1), ("mss", 1), ("ecn", 0)],
    ),
    new(&["TARPIT"], &[("tarpit", 0), ("honeypot", 0), ("reset", 0)]),
    new(&["AUDIT"], &[("type", 1)]),
    new(&["CLASSIFY"], &[("set-class", 1)]),
    new(&["CHECKSUM"], &[("checksum-fill", 0)]),
    new(&["TEE"], &[("gateway", 1), ("oif", 1)]),
    new(&["TPROXY"], &[("on-port", 1), ("on-ip", 1), ("tproxy-mark", 1)]),
    new(&["IDLETIMER"], &[("timeout", 1), ("label", 1), ("alarm", 0)]),
    new(&["RATEEST"], &[("rateest-name", 1), ("rateest-interval", 1), ("rateest-ewmalog", 1)]),
    new(&["LED"], &[("led-trigger-id", 1), ("led-delay", 1), ("led-always-blink", 0)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_option_is_there_once() {
        for list in [MATCHES, TARGETS] {
            let mut names: Vec<_> = list.iter().flat_map(|one| one.names).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
            for one in list {
                let mut options: Vec<_> =
                    one.options.iter().flat_map(|(names, _)| names.split('|')).collect();
                let count = options.len();
                options.sort_unstable();
                options.dedup();
                assert_eq!(options.len(), count, "{}", one.name());
            }
        }
    }
}
