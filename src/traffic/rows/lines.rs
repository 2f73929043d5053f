//! Lines and objects of a stream, each within bounds; and what the first bytes of a file tell.

use std::io::{self, BufRead, BufReader, Read};

use memchr::{memchr, memchr_iter, memrchr};

/// The longest line or object that is read.
const LONGEST: usize = 1 << 20;

/// What a file of Parquet begins with.
const PARQUET: &[u8] = b"PAR1";

/// What stands next in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line without its end, or an object, in the buffer. Whether it had an end.
    Whole { ended: bool },
    /// Something that is too long, was skipped.
    Long,
    /// Something that is no object, was skipped.
    Garbage,
    /// An object that the file ends in.
    Cut,
    /// The end.
    End,
}

/// What was read of a stream at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// So many bytes in the buffer: lines, each with its end, or one that the file ends in without.
    Lines { length: usize },
    /// A line that is too long, was skipped.
    Long,
    /// The end.
    End,
}

/// By how much a buffer grows while the end of a line is looked for.
const STEP: usize = 1 << 16;

/// A stream of text.
pub(super) struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    /// What was read behind the last block.
    rest: Vec<u8>,
    /// Why nothing more can be read; what was read before stands.
    error: Option<io::Error>,
    /// The line at which what was read last begins, from 1.
    pub(super) line: u64,
    /// How many bytes were skipped in it, if it cannot be read.
    pub(super) length: u64,
    /// How many ends of lines were met.
    passed: u64,
    /// How many lists are open.
    lists: i64,
}

impl Lines {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Lines {
        Lines {
            input: BufReader::with_capacity(1 << 18, input),
            rest: Vec::new(),
            error: None,
            line: 0,
            length: 0,
            passed: 0,
            lists: 0,
        }
    }

    /// Returns whether the stream is Parquet.
    pub(super) fn is_parquet(&mut self) -> io::Result<bool> {
        Ok(fill(&mut self.input)?.starts_with(PARQUET))
    }

    /// Returns all that was not read.
    pub(super) fn rest(&mut self) -> impl Read + '_ {
        &mut self.input
    }

    /// Lets go of the input, of which nothing more is wanted.
    pub(super) fn close(&mut self) {
        self.input = BufReader::with_capacity(0, Box::new(io::empty()));
        self.rest = Vec::new();
    }

    /// Has a line that was read stand before all that was not.
    pub(super) fn unread(&mut self, line: &[u8]) {
        self.rest.extend_from_slice(line);
        self.rest.push(b'\n');
        self.passed = 0;
    }

    /// Reads on for so many bytes or a bit more, to the end of a line.
    pub(super) fn block(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<Block> {
        self.line = self.passed + 1;
        let mut filled = self.rest.len();
        into.resize(into.len().max(filled), 0);
        into[..filled].copy_from_slice(&self.rest);
        self.rest.clear();
        // Up to where there is no end of a line.
        let mut searched = 0;
        loop {
            let room = if filled < most { most } else { filled + STEP };
            // What was filled with zeroes once is never again.
            into.resize(into.len().max(room), 0);
            let read = self.read(&mut into[filled..room])?;
            filled += read;
            if read > 0 && filled < most {
                continue;
            }
            if let Some(last) = memrchr(b'\n', &into[searched..filled]) {
                let length = searched + last + 1;
                let first = match filled > LONGEST {
                    true => memchr(b'\n', &into[..length]).unwrap_or(0),
                    false => 0,
                };
                if first > LONGEST {
                    self.length = first as u64;
                    self.rest.extend_from_slice(&into[first + 1..filled]);
                    self.passed += 1;
                    return Ok(Block::Long);
                }
                self.rest.extend_from_slice(&into[length..filled]);
                self.passed += memchr_iter(b'\n', &into[..length]).count() as u64;
                return Ok(Block::Lines { length });
            }
            if read == 0 {
                if let Some(error) = self.error.take() {
                    return Err(error);
                }
                self.length = filled as u64;
                return Ok(match filled {
                    0 => Block::End,
                    _ if filled > LONGEST => Block::Long,
                    _ => Block::Lines { length: filled },
                });
            }
            searched = filled;
            if filled > LONGEST {
                self.length = filled as u64;
                return self.skip();
            }
        }
    }

    /// Skips all up to the end of a line.
    fn skip(&mut self) -> io::Result<Block> {
        let mut buffer = vec![0; STEP];
        loop {
            let read = self.read(&mut buffer)?;
            if read == 0 {
                return match self.error.take() {
                    Some(error) => Err(error),
                    None => Ok(Block::Long),
                };
            }
            if let Some(end) = memchr(b'\n', &buffer[..read]) {
                self.length += end as u64;
                self.rest.extend_from_slice(&buffer[end + 1..read]);
                self.passed += 1;
                return Ok(Block::Long);
            }
            self.length += read as u64;
        }
    }

    /// Reads some bytes; none at the end, and where nothing more can be read.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.error.is_some() {
            return Ok(0);
        }
        loop {
            match self.input.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    return Ok(0);
                }
                read => return read,
            }
        }
    }

    /// Reads on to the end of a line.
    pub(super) fn line(&mut self, into: &mut Vec<u8>) -> io::Result<Next> {
        into.clear();
        self.line = self.passed + 1;
        let mut is_long = false;
        loop {
            let bytes = fill(&mut self.input)?;
            if bytes.is_empty() {
                return Ok(match (is_long, into.is_empty()) {
                    (true, _) => Next::Long,
                    (false, true) => Next::End,
                    (false, false) => Next::Whole { ended: false },
                });
            }
            let end = memchr(b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            is_long |= into.len() + part.len() > LONGEST;
            if !is_long {
                into.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            self.input.consume(taken);
            if end.is_some() {
                self.passed += 1;
                if is_long {
                    into.clear();
                    return Ok(Next::Long);
                }
                if into.last() == Some(&b'\r') {
                    into.pop();
                }
                return Ok(Next::Whole { ended: true });
            }
        }
    }

    /// Reads on to the end of the next object, whatever lists it is in.
    pub(super) fn object(&mut self, into: &mut Vec<u8>) -> io::Result<Next> {
        into.clear();
        self.length = 0;
        let (mut depth, mut in_string, mut is_escaped, mut is_garbage) =
            (0_u64, false, false, false);
        loop {
            let bytes = fill(&mut self.input)?;
            if bytes.is_empty() {
                return Ok(match (depth, is_garbage) {
                    (1.., _) => Next::Cut,
                    (0, true) => Next::Garbage,
                    (0, false) if self.lists > 0 => {
                        self.lists = 0;
                        Next::Cut
                    }
                    (0, false) => Next::End,
                });
            }
            let mut taken = 0;
            let mut found = None;
            for byte in bytes {
                if depth == 0 && *byte == b'{' && is_garbage {
                    found = Some(Next::Garbage);
                    break;
                }
                taken += 1;
                self.length += u64::from(depth > 0 || is_garbage);
                self.passed += u64::from(*byte == b'\n');
                if depth == 0 {
                    match byte {
                        b'{' => {
                            self.line = self.passed + 1;
                            depth = 1;
                        }
                        b'[' => self.lists += 1,
                        b']' => self.lists -= 1,
                        b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                        _ => {
                            if !is_garbage {
                                self.line = self.passed + 1;
                            }
                            is_garbage = true;
                        }
                    }
                    if depth == 1 {
                        into.push(*byte);
                    }
                    continue;
                }
                if into.len() < LONGEST {
                    into.push(*byte);
                }
                match byte {
                    _ if is_escaped => is_escaped = false,
                    b'\\' if in_string => is_escaped = true,
                    b'"' => in_string = !in_string,
                    b'{' if !in_string => depth += 1,
                    b'}' if !in_string => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    let is_long = into.len() >= LONGEST;
                    found = Some(if is_long { Next::Long } else { Next::Whole { ended: true } });
                    break;
                }
            }
            self.input.consume(taken);
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// Returns the first byte that is no space, and whether the first line is a whole object.
    pub(super) fn start(&mut self) -> io::Result<(Option<u8>, bool)> {
        let bytes = fill(&mut self.input)?;
        if bytes.starts_with(b"\xef\xbb\xbf") {
            self.input.consume(3);
        }
        let bytes = fill(&mut self.input)?;
        let first = bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
        let line = bytes[..end].trim_ascii();
        Ok((first, line.starts_with(b"{") && line.ends_with(b"}")))
    }
}

fn fill(input: &mut BufReader<Box<dyn Read + Send>>) -> io::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // What is there needs no reading.
    input.fill_buf()
}

//------------ What the first bytes tell ---------------------------------------

/// Returns the first line of a file, without a byte order mark.
fn first_line(start: &[u8]) -> Option<&str> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let line = start.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line).ok().map(|line| line.trim_end_matches('\r'))
}

/// Returns whether the first line names all these columns.
pub(in crate::traffic) fn has_columns(start: &[u8], delimiters: &[u8], names: &[&str]) -> bool {
    first_line(start).is_some_and(|line| {
        delimiters.iter().any(|delimiter| {
            let own: Vec<&str> = line
                .split(char::from(*delimiter))
                .map(|name| name.trim().trim_matches('"'))
                .collect();
            names.iter().all(|name| own.iter().any(|own| own.eq_ignore_ascii_case(name)))
        })
    })
}

/// Returns whether the file is Parquet and has these columns: with its first bytes come those at its
/// end that name them.
pub(in crate::traffic) fn has_fields(start: &[u8], names: &[&str]) -> bool {
    let has = |name: &[u8]| start.windows(name.len()).any(|bytes| bytes == name);
    start.starts_with(PARQUET) && names.iter().all(|name| has(name.as_bytes()))
}

/// Returns whether the first object has all these keys.
pub(in crate::traffic) fn has_keys(start: &[u8], names: &[&str]) -> bool {
    let keys = json_keys(start);
    names.iter().all(|name| keys.iter().any(|key| key.eq_ignore_ascii_case(name)))
}

/// Returns the keys of the first object in these bytes, as many as are in them; none if they do not
/// begin with one, or with a list of some.
fn json_keys(start: &[u8]) -> Vec<String> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let start = start.strip_prefix(b"[").unwrap_or(start).trim_ascii_start();
    let mut keys = Vec::new();
    if !start.starts_with(b"{") {
        return keys;
    }
    let (mut depth, mut string, mut last, mut is_escaped) = (0, None, None, false);
    for (at, byte) in start.iter().enumerate() {
        if let Some(from) = string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => {
                    last = start.get(from..at);
                    string = None;
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string = Some(at + 1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b':' if depth == 1 => {
                keys.extend(last.take().map(|key| String::from_utf8_lossy(key).into_owned()));
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    keys
}
