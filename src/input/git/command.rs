//! Runs the `git` command: plumbing that reads, fed and heard so that no pipe can fill up.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use super::GitError;
use crate::input::MAX_TEXT_BYTES;

/// What a command said, and how it ended.
pub(super) struct Said {
    /// Its exit code; none if a signal ended it.
    pub(super) code: Option<i32>,
    /// What it printed.
    pub(super) out: Vec<u8>,
    /// What it complained about.
    pub(super) errors: String,
}

/// Prepares a command. What the caller's environment says about *which* repository and index is
/// meant stays (hooks rely on it); what could change the answer, start another program, reach for
/// the network or write anything is switched off.
fn command<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("--no-pager")
        .args(["-c", "core.fsmonitor=false"])
        .args(["-c", "core.warnAmbiguousRefs=true"])
        .args(["-c", "submodule.recurse=false"])
        .args(arguments)
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        // Two locks on one door: git before 2.45 does not know the first.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        // Exactly what was committed, not what someone put in its place here.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env_remove("GIT_LITERAL_PATHSPECS")
        .env_remove("GIT_GLOB_PATHSPECS")
        .env_remove("GIT_NOGLOB_PATHSPECS")
        .env_remove("GIT_ICASE_PATHSPECS")
        .stdin(Stdio::null());
    command
}

fn not_started(error: &io::Error) -> GitError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "it is not installed, or not in PATH".to_owned(),
        _ => error.to_string(),
    };
    GitError::NotStarted { reason }
}

/// Runs a command to its end.
pub(super) fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Said, GitError> {
    finish(&mut command(arguments))
}

/// The same, blind to where the caller's environment says that the repository is.
pub(super) fn run_as_found<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Said, GitError> {
    finish(command(arguments).env_remove("GIT_DIR"))
}

fn finish(command: &mut Command) -> Result<Said, GitError> {
    let output = command.output().map_err(|error| not_started(&error))?;
    Ok(Said {
        code: output.status.code(),
        out: output.stdout,
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command that must succeed, and returns what it printed.
pub(super) fn ask<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Vec<u8>, GitError> {
    let said = run(arguments)?;
    match said.code {
        Some(0) => Ok(said.out),
        _ => Err(GitError::refused(&said.errors)),
    }
}

/// The same, for a single line.
pub(super) fn line<A: AsRef<OsStr>>(arguments: &[A]) -> Result<Vec<u8>, GitError> {
    Ok(without_newline(ask(arguments)?))
}

/// Takes the last newline off.
pub(super) fn without_newline(mut text: Vec<u8>) -> Vec<u8> {
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    text
}

/// Reads objects, in the order of their ids; none for one that is not here.
pub(super) fn blobs(ids: &[&str]) -> Result<Vec<Option<Vec<u8>>>, GitError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut child = command(&["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(&error))?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut input), Some(output), Some(mut errors)) = pipes else {
        return Err(GitError::NotStarted { reason: "its pipes are closed".to_owned() });
    };
    let (read, complaint) = std::thread::scope(|scope| {
        // Git answers while it is still asked: who asks and who listens must not wait for each
        // other. A git that is gone shows in its answers.
        scope.spawn(move || {
            for id in ids {
                if writeln!(input, "{id}").is_err() {
                    break;
                }
            }
        });
        let complaint = scope.spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let read = answers(ids.len(), BufReader::new(output));
        // After all answers git ends by itself; after a broken one it need not.
        if read.is_err() {
            let _ = child.kill();
        }
        let _ = child.wait();
        (read, complaint.join().unwrap_or_default())
    });
    match read {
        Ok(blobs) => Ok(blobs),
        Err(Broken::TooLarge) => Err(GitError::TooLarge),
        Err(Broken::Ended) => Err(GitError::refused(&complaint)),
    }
}

enum Broken {
    TooLarge,
    Ended,
}

/// Reads `ID TYPE SIZE`, the content and a newline, or `ID missing`, so many times.
fn answers(count: usize, mut output: impl BufRead) -> Result<Vec<Option<Vec<u8>>>, Broken> {
    let mut blobs = Vec::new();
    for _ in 0..count {
        let mut header = String::new();
        output.read_line(&mut header).map_err(|_| Broken::Ended)?;
        let words: Vec<&str> = header.split_whitespace().collect();
        match words.as_slice() {
            [_, "missing"] => blobs.push(None),
            [_, "blob", size] => {
                let size: u64 = size.parse().map_err(|_| Broken::Ended)?;
                if size > MAX_TEXT_BYTES {
                    return Err(Broken::TooLarge);
                }
                let mut content = Vec::new();
                let read = output.by_ref().take(size + 1).read_to_end(&mut content);
                if read.is_err() || content.pop() != Some(b'\n') || content.len() as u64 != size {
                    return Err(Broken::Ended);
                }
                blobs.push(Some(content));
            }
            _ => return Err(Broken::Ended),
        }
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_answer_is_no_answer() {
        let read = |text: &str, count| answers(count, text.as_bytes()).ok();
        let both = vec![Some(b"a\nb".to_vec()), None];
        assert_eq!(read("1 blob 3\na\nb\n2 missing\n", 2), Some(both));
        assert_eq!(read("1 blob 0\n\n", 1), Some(vec![Some(Vec::new())]));
        for broken in ["", "1 blob 3\na\n", "1 blob 3\na\nb", "1 tree 3\na\nb\n", "1 blob x\n"] {
            assert_eq!(read(broken, 1), None, "{broken:?}");
        }
    }
}
