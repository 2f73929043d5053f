//! A window that moves over an input which cannot be sought in. The bytes in it are in a buffer of
//! whoever takes them, so that nothing is copied but what two pieces share.

use std::io::{ErrorKind, Read};

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
    /// Whether bytes that the window has passed must stay where they are, so that it cannot read.
    pinned: bool,
    /// Whether more was asked for than a pinned window holds.
    short: bool,
}

impl Window {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Window {
        Window {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            failure: None,
            pinned: false,
            short: false,
        }
    }

    /// Goes on in another buffer, which becomes large enough to be read into. What is left in the
    /// old one, little as it is, is copied.
    pub(super) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if buffer.len() < STEP {
            buffer.resize(STEP, 0);
        }
        self.pin(false);
        self.exchange(buffer);
    }

    /// Lets go of the input, of which nothing more is wanted.
    pub(super) fn close(&mut self) {
        self.input = Box::new(std::io::empty());
        self.ended = true;
    }

    /// Gives a buffer back with all that the window has passed in it.
    pub(super) fn give_back(&mut self, buffer: &mut Vec<u8>) {
        self.exchange(buffer);
    }

    fn exchange(&mut self, buffer: &mut Vec<u8>) {
        let rest = self.bytes();
        if buffer.len() < rest.len() {
            buffer.resize(rest.len(), 0);
        }
        if let Some(room) = buffer.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        (self.start, self.end) = (0, rest.len());
        std::mem::swap(&mut self.buffer, buffer);
    }

    /// Says whether bytes that the window has passed, or passes from now on, must stay where they
    /// are. While they must, it holds what it holds and does not read.
    pub(super) fn pin(&mut self, pinned: bool) {
        (self.pinned, self.short) = (pinned, false);
    }

    /// Returns whether more was asked for than the window held when it was pinned.
    pub(super) fn is_short(&self) -> bool {
        self.short
    }

    /// Returns the bytes in the window.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns where in the buffer the window starts.
    pub(super) fn position(&self) -> usize {
        self.start
    }

    /// Reads on until the window holds so many bytes, at most [`LONGEST`]; `false` if the input
    /// ends before.
    #[inline]
    pub(super) fn holds(&mut self, count: usize) -> bool {
        self.end - self.start >= count || self.read_on(count)
    }

    #[cold]
    fn read_on(&mut self, count: usize) -> bool {
        while self.end - self.start < count {
            if self.ended || count > LONGEST {
                return false;
            }
            if self.pinned {
                self.short = true;
                return false;
            }
            if self.end == self.buffer.len() {
                self.make_room();
            }
            let most = self.buffer.len().min(self.end + STEP);
            let room = self.buffer.get_mut(self.end..most).unwrap_or_default();
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
        if self.start > 0 && self.start >= self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else {
            self.buffer.resize(STEP.max(self.buffer.len() * 2), 0);
        }
    }

    /// Moves on by so many bytes that the window holds.
    pub(super) fn advance(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Moves on by so many bytes, however many; `false` if the input ends before.
    pub(super) fn skip(&mut self, mut count: usize) -> bool {
        if self.pinned && self.bytes().len() < count {
            self.short = true;
            return false;
        }
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
