//! A window that moves over an input which cannot be sought in.

use std::io::{ErrorKind, Read};
use std::ops::Range;

/// The longest packet or block that is read. A length in a file is never believed beyond it.
pub(super) const LONGEST: usize = 16 << 20;

/// How much is asked of the input at a time.
const STEP: usize = 256 << 10;

pub(super) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    failure: Option<String>,
}

impl Window {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Window {
        Window { input, buffer: vec![0; STEP], start: 0, end: 0, ended: false, failure: None }
    }

    /// Returns the bytes in the window.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns where in the buffer the window starts.
    pub(super) fn position(&self) -> usize {
        self.start
    }

    /// Returns bytes of the buffer that the window has passed since it last read on.
    pub(super) fn passed(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Reads on until the window holds so many bytes, at most [`LONGEST`]; `false` if the input
    /// ends before.
    pub(super) fn holds(&mut self, count: usize) -> bool {
        while self.end - self.start < count {
            if self.ended || count > LONGEST {
                return false;
            }
            if self.end == self.buffer.len() {
                self.make_room();
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => self.ended = true,
                // A reader that claims more than there was room for is not believed.
                Ok(count) => self.end = (self.end + count).min(self.buffer.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(error.to_string());
                }
            }
        }
        true
    }

    /// Moves what is left to the front, and doubles the buffer if that gives no room. Memory thus
    /// follows what was read, not what a length field claims.
    fn make_room(&mut self) {
        if self.start >= self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    /// Moves on by so many bytes that the window holds.
    pub(super) fn advance(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Moves on by so many bytes, however many; `false` if the input ends before.
    pub(super) fn skip(&mut self, mut count: usize) -> bool {
        loop {
            let held = self.bytes().len().min(count);
            self.advance(held);
            count -= held;
            if count == 0 {
                return true;
            }
            if !self.holds(1) {
                return false;
            }
        }
    }

    /// Returns whether the input has ended and nothing is left.
    pub(super) fn is_over(&mut self) -> bool {
        !self.holds(1)
    }

    /// Returns why the input ended, if by an error.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.clone()
    }
}
