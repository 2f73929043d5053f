//! The same input gives the same bytes, however the work is cut.

use std::path::Path;

use crate::common::{NOW, blastgate, fixtures};

/// Returns a capture of packets that fall into the profiles' time and into their buckets.
fn capture() -> Vec<u8> {
    let mut bytes = Vec::new();
    // Little-endian, microseconds, linktype 101: packets begin with their IP header.
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    // 2026-03-01T11:50:00Z.
    let start = 1_772_365_800;
    for at in 0..6000u32 {
        // A full-period walk over sources and customers, the same in every run.
        let mixed = at.wrapping_mul(2_654_435_761);
        let [a, b, ..] = mixed.to_be_bytes();
        let src = [198, 18, 5, a % 40];
        let dst = [[203, 0, 113, 10], [203, 0, 113, 71], [198, 51, 100, 21], [198, 51, 100, 200]]
            [usize::from(b % 4)];
        let payload = vec![0; usize::from(mixed as u16 % 900)];
        let builder = etherparse::PacketBuilder::ipv4(src, dst, 64).udp(53, 443);
        let mut packet = Vec::new();
        builder.write(&mut packet, &payload).expect("a packet");
        let length = packet.len() as u32;
        let time_us = u64::from(at) * 4_321;
        let (seconds, fraction) = ((time_us / 1_000_000) as u32, (time_us % 1_000_000) as u32);
        for word in [start + seconds, fraction, length, length] {
            bytes.extend_from_slice(&u32::to_le_bytes(word));
        }
        bytes.extend_from_slice(&packet);
    }
    bytes
}

fn result(folder: &Path, traffic: &[&str], more: &[&str]) -> String {
    let mut command = blastgate(folder);
    command.args(["check", "candidate.yaml", "--running", "running.yaml"]);
    command.args(["--inventory", "inventory.yaml", "--now", NOW, "-o", "json"]);
    // Profiles say themselves of which PoP they are.
    let listed = traffic.iter().map(|file| match file.ends_with(".pcap") {
        true => format!("{{path: {file}, pop: ams}}"),
        false => format!("{{path: {file}}}"),
    });
    let listed = listed.collect::<Vec<_>>().join(", ");
    std::fs::write(folder.join("blastgate.yaml"), format!("version: 1\ntraffic: [{listed}]\n"))
        .expect("a config");
    let output = command.args(more).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_result_is_the_same_bytes_however_the_work_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(fixtures("determinism")).expect("the fixture") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        std::fs::copy(&path, folder.path().join(name)).expect("a copy");
    }
    std::fs::create_dir(folder.path().join(".git")).expect("a folder");
    std::fs::write(folder.path().join("fra.pcap"), capture()).expect("a capture");
    let folder = folder.path();

    let files = ["ams.yaml", "fra.pcap", "lhr.yaml"];
    let expected = result(folder, &files, &["--threads", "1"]);
    let parsed: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
    assert!(parsed["evidence"]["records"].as_u64().expect("a number") > 6000, "{expected}");
    let limited = |id: &str| {
        let rows = parsed["customers"].as_array().expect("rows");
        rows.iter().any(|row| row["id"] == id && row["affected"] == true)
    };
    assert!(["bakery", "clinic"].into_iter().all(limited), "limits bite: {expected}");

    let mut ways: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for threads in ["1", "2", "4"] {
        for batch in ["1", "7", "4096"] {
            ways.push((files.to_vec(), vec!["--threads", threads, "--batch", batch]));
        }
    }
    let [a, b, c] = files;
    for order in [[a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
        for threads in ["1", "2", "4"] {
            ways.push((order.to_vec(), vec!["--threads", threads]));
        }
    }
    for (order, more) in ways {
        let found = result(folder, &order, &more);
        assert!(found == expected, "{order:?} {more:?}\n{expected}\n{found}");
    }
}
