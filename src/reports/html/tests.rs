//! The policy holds the style's own hash.

use super::*;

const POLICY_START: &str = "style-src 'sha256-";

#[test]
fn the_policy_allows_this_style_and_nothing_else() {
    let hash = POLICY.split(POLICY_START).nth(1).and_then(|rest| rest.split('\'').next());
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha256sum of coreutils");
    io::Write::write_all(&mut child.stdin.take().expect("a pipe"), STYLE.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    let digits = text.split_whitespace().next().expect("a hash");
    let bytes: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("a byte"))
        .collect();
    assert_eq!(
        hash,
        Some(base64(&bytes).as_str()),
        "the style was changed: put its hash into POLICY"
    );
    for other in ["script-src", "unsafe", "http", "*", "data:"] {
        assert!(!POLICY.contains(other), "{other}");
    }
}

/// Writes bytes as base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let all =
            three.iter().chain([&0; 2]).take(3).fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        for at in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= three.len() { digit } else { '=' });
        }
    }
    text
}
