//! Files that nft(8) and iptables-restore(8) refuse are not read as if they were in force: files of
//! many constructs are spoilt at random, one word each, and both are asked.

use std::path::Path;
use std::process::Command;

use crate::common;
use crate::nft_kernel::Dice;

const NFT: &str = r#"define EXT = eth0
define NETS = { 10.1.0.0/16, 10.2.0.0/16 }
table inet filter {
  set bad { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.9 } }
  set ports { type inet_service; elements = { 22, 80, 443 } }
  set dyn { type ipv4_addr; size 1000; flags dynamic,timeout; timeout 1m; }
  map m { type ipv4_addr : verdict; elements = { 198.51.100.1 : drop, 198.51.100.2 : accept } }
  limit big { rate 10 mbytes/second burst 100 kbytes; }
  counter c1 { packets 0 bytes 0 }
  chain sub {
    ip ttl < 5 drop
    tcp flags & (syn|ack) == syn limit rate over 100/second burst 20 packets drop
    return
  }
  chain pre {
    type filter hook prerouting priority -300; policy accept;
    ip saddr @bad drop
    ip saddr $NETS drop
    iifname $EXT tcp dport @ports counter accept
    ip daddr vmap @m
    jump sub
    udp dport { 53, 123, 1900-1910 } limit rate over 5 mbytes/second drop
    icmp type { echo-request, echo-reply } limit rate 10/second accept
    icmpv6 type nd-neighbor-solicit accept
    ip6 saddr 2001:db8::/32 drop
    meta l4proto { tcp, udp } th dport 7 drop
    ip protocol gre drop
    ct state established,related accept
    add @dyn { ip saddr limit rate over 10/second } drop
    ip saddr . tcp dport { 203.0.113.1 . 80, 203.0.113.2 . 443 } accept
    ip frag-off & 0x1fff != 0 drop
    udp length > 1000 reject with icmp type port-unreachable
    limit name "big" accept
    ip dscp cs1 log prefix "x" drop
    meta length 92 drop
    ip daddr & 255.255.255.0 == 198.51.100.0 udp sport 53 drop
    ip daddr 203.0.113.10 udp dport 53 meter m1 { ip saddr limit rate over 5/second } drop
  }
}
"#;

const IPTABLES: &str = r#"*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m length --length 40:60 -j DROP
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:CUSTOM - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,80,8000:8080 -j ACCEPT
-A FORWARD -s 10.0.0.0/8 -d 192.0.2.0/24 -p tcp -m tcp --sport 1024:65535 --dport 443 -j ACCEPT
-A FORWARD -p icmp -m icmp --icmp-type 8 -m limit --limit 10/sec --limit-burst 20 -j ACCEPT
-A FORWARD -p udp -m udp --dport 53 -m hashlimit --hashlimit-above 100/sec --hashlimit-burst 50 --hashlimit-mode srcip --hashlimit-name dns -j DROP
-A FORWARD ! -s 198.51.100.0/24 -m ttl --ttl-lt 5 -j DROP
-A FORWARD -m addrtype --dst-type LOCAL -j REJECT --reject-with icmp-port-unreachable
-A FORWARD -p tcp -m tcp --syn -m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with tcp-reset
-A FORWARD -m iprange --src-range 10.1.0.0-10.1.0.255 -j CUSTOM
-A FORWARD -m dscp --dscp 0x08 -j DROP
-A FORWARD -p 47 -j DROP
-A FORWARD -m mark --mark 0x1/0xff -j ACCEPT
-A CUSTOM -m pkttype --pkt-type multicast -j DROP
-A CUSTOM -m state --state NEW -j RETURN
-A CUSTOM -j ACCEPT
COMMIT
"#;

/// What takes the place of words.
const OTHERS: &[&str] = &[
    "",
    "0",
    "1",
    "256",
    "65536",
    "99999",
    "300",
    "33",
    "-1",
    "0x10",
    "1.2.3.4",
    "10.0.0.0/33",
    "999.1.1.1",
    "abc",
    "2001:db8::1",
    "10/second",
    "\"x\"",
    "5-3",
    "@bad",
    "!",
    "5:3",
    "-p",
    "-m",
    "tcp",
    "udp",
    "drop",
    "accept",
    "-j",
    "ACCEPT",
    "NOSUCH",
    "ip",
    "{",
    ";",
];

/// Spoils one word of a text.
fn spoilt(text: &str, dice: &mut Dice) -> String {
    let mut words: Vec<&str> = text.split_inclusive([' ', '\n']).collect();
    let any = |dice: &mut Dice, of: usize| dice.roll(of as u64) as usize;
    let at = any(dice, words.len());
    let word = words[at].trim_end();
    let end = &words[at][word.len()..];
    let other = words[any(dice, words.len())].trim_end();
    let fresh = OTHERS[any(dice, OTHERS.len())];
    let changed = match dice.roll(6) {
        0 => end.to_owned(),
        1 => format!("{word} {word}{end}"),
        2 => format!("{fresh}{end}"),
        3 => format!("{word} {other}{end}"),
        4 => format!("{other}{end}"),
        _ => {
            let place = any(dice, word.len() + 1);
            let place = (0..=place).rev().find(|at| word.is_char_boundary(*at)).unwrap_or(0);
            format!("{}{}{end}", &word[..place], &format!("x{}", &word[place..])[..])
        }
    };
    words[at] = &changed;
    words.concat()
}

/// What came of the spoilt files.
#[derive(Debug, Default)]
struct Outcome {
    refused_by_both: usize,
    taken_by_both: usize,
    /// The tool refuses it; blastgate says that it does not understand something of it.
    in_doubt: usize,
    /// The tool refuses it, blastgate reads it as if it held.
    taken_wrongly: usize,
    /// The tool takes it, blastgate does not.
    refused_wrongly: usize,
}

/// Spoils a text so many times and asks both.
fn compare(text: &str, times: usize, (language, tool): (&str, &[&str])) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules");
    let mut dice = Dice::new(7);
    let mut outcome = Outcome::default();
    let mut wrong = Vec::new();
    for time in 0..=times {
        let candidate = if time == 0 { text.to_owned() } else { spoilt(text, &mut dice) };
        std::fs::write(&file, &candidate).expect("a file");
        let asked =
            Command::new("unshare").arg("-n").args(tool).arg(&file).output().expect("unshare runs");
        let lint = common::blastgate(folder.path())
            .args(["lint", "rules", "--no-config", "--output", "json", "--language", language])
            .output()
            .expect("the program runs");
        let (is_read, doubts) = read(&lint.stdout);
        if time == 0 {
            let said = String::from_utf8_lossy(&asked.stderr).into_owned();
            assert!(asked.status.success(), "the text itself must be good: {said}");
            assert!(is_read && doubts == 0, "the text itself is not read: {lint:?}");
            continue;
        }
        match (asked.status.success(), is_read, doubts > 0) {
            (true, true, _) => outcome.taken_by_both += 1,
            (true, false, _) => outcome.refused_wrongly += 1,
            (false, false, _) => outcome.refused_by_both += 1,
            (false, true, true) => outcome.in_doubt += 1,
            (false, true, false) => {
                outcome.taken_wrongly += 1;
                let differs = candidate.lines().find(|line| !text.lines().any(|one| one == *line));
                wrong.push(differs.unwrap_or_default().to_owned());
            }
        }
    }
    println!("{language}: {outcome:?}\n{}", wrong.join("\n"));
    outcome
}

/// Returns whether the rules were read, and how much of them is not understood.
pub(crate) fn read(json: &[u8]) -> (bool, usize) {
    let Ok(result) = serde_json::from_slice::<serde_json::Value>(json) else { return (false, 0) };
    let Some(files) = result["change"]["coverage"].as_array() else { return (false, 0) };
    let unknown = |file: &serde_json::Value| file["not_understood"].as_array().map_or(0, Vec::len);
    (true, files.iter().map(unknown).sum())
}

pub(crate) fn has(tool: &str) -> bool {
    let there = Path::new("/usr/sbin").join(tool).exists();
    if !there {
        common::skip(&format!("{tool} is not installed"));
    }
    there
}

#[test]
fn what_nft_refuses_is_seldom_read_as_if_it_held() {
    if !has("nft") {
        return;
    }
    let outcome = compare(NFT, 400, ("nftables", &["nft", "-c", "-f"]));
    let refused = outcome.refused_by_both + outcome.in_doubt + outcome.taken_wrongly;
    assert!(refused > 200, "{outcome:?}");
    assert!(outcome.taken_wrongly * 20 <= refused, "more than 5 %: {outcome:?}");
}

#[test]
fn what_iptables_refuses_is_seldom_read_as_if_it_held() {
    for (language, tool) in
        [("iptables-legacy", "iptables-legacy-restore"), ("iptables-nft", "iptables-nft-restore")]
    {
        if !has(tool) {
            return;
        }
        let outcome = compare(IPTABLES, 200, (language, &[tool, "--test"]));
        let refused = outcome.refused_by_both + outcome.in_doubt + outcome.taken_wrongly;
        assert!(refused > 100, "{outcome:?}");
        assert!(outcome.taken_wrongly * 20 <= refused, "more than 5 %: {outcome:?}");
    }
}
