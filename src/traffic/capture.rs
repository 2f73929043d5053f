//! Frames of a capture, whatever will be made of them: pcap in both byte orders with micro- and
//! nanoseconds, and pcapng.
//!
//! A file that is cut off, or corrupt from some place on, is read up to there, and the rest counts
//! as one more frame, lost. Simple packet blocks have no time; they get that of the packet before.

mod classic;
mod ng;
mod window;

use std::io::{Cursor, Read};
use std::sync::Arc;

use super::piece::Found;
use crate::model::Diagnostic;
use window::Window;

/// Returns whether a file starts like a capture.
pub(super) fn detect(start: &[u8]) -> bool {
    classic::detect(start) || ng::detect(start)
}

/// Returns the whole frames in the first bytes of a file, and those bytes; none if it is no
/// capture.
pub(super) fn first_frames(start: &[u8]) -> Option<(Vec<Found>, Vec<u8>)> {
    if !detect(start) {
        return None;
    }
    let mut capture = Capture::open(Box::new(Cursor::new(start.to_vec())), "").ok()?;
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    capture.cut(&mut bytes, &mut frames, |_| {}).ok()?;
    Some((frames, bytes))
}

enum Layout {
    Classic(classic::Classic),
    Ng(ng::Ng),
}

/// What stands next in a capture.
enum Next {
    /// A frame, which was added to those found.
    Frame,
    /// A frame that cannot be placed, such as one of an interface that was never described.
    Lost(&'static str),
    End,
    /// The file ends in the middle of something, as when its recorder was stopped.
    Cut(&'static str),
    /// Nothing after this place can be read.
    Broken(String),
}

/// Why frames are not there that [`Loss::Before`] counts.
pub(super) const DROPPED: &str = "dropped by the recorder, as it says itself";

/// A frame that cannot be had.
pub(super) enum Loss {
    /// It cannot be placed, or the file ends in the middle of it.
    Frame(&'static str),
    /// Neither it nor anything after it can be read.
    Rest(String),
    /// So many never came into the file, as it says itself.
    Before(u64),
}

/// A capture that is being read.
pub(super) struct Capture {
    name: Arc<str>,
    window: Window,
    /// None after the end.
    layout: Option<Layout>,
    /// How many frames were met.
    frames: u64,
}

impl Capture {
    /// Reads the start of a capture of this name.
    pub(super) fn open(
        input: Box<dyn Read + Send>,
        name: impl Into<Arc<str>>,
    ) -> Result<Capture, Vec<Diagnostic>> {
        let name = name.into();
        let mut window = Window::new(input);
        window.holds(4);
        let opened = if ng::detect(window.bytes()) {
            ng::open(&mut window).map(Layout::Ng)
        } else {
            classic::open(&mut window).map(Layout::Classic)
        };
        let layout =
            opened.map_err(|message| vec![Diagnostic::bare(format!("{name}: {message}"))])?;
        Ok(Capture { name, window, layout: Some(layout), frames: 0 })
    }

    /// Adds the next frames to those found, which stand in `bytes`; none at the end. An error is
    /// an input that fails.
    pub(super) fn cut(
        &mut self,
        bytes: &mut Vec<u8>,
        found: &mut Vec<Found>,
        mut lose: impl FnMut(Loss),
    ) -> Result<(), Box<Diagnostic>> {
        self.window.lend(bytes);
        while let Some(layout) = &mut self.layout {
            // A piece ends where its whole frames do, so that what is read goes where it stays.
            self.window.pin(!found.is_empty());
            let number = self.frames + 1;
            let next = match layout {
                Layout::Classic(classic) => classic.next(&mut self.window, number, found),
                Layout::Ng(ng) => ng.next(&mut self.window, number, found),
            };
            if self.window.is_short() {
                break;
            }
            // What it says of that counts however it ends.
            if !matches!(next, Next::Frame | Next::Lost(_))
                && let Layout::Ng(ng) = layout
                && let dropped @ 1.. = ng.dropped()
            {
                lose(Loss::Before(dropped));
            }
            match next {
                Next::End => self.layout = None,
                Next::Frame => self.frames = number,
                Next::Lost(reason) => {
                    self.frames = number;
                    lose(Loss::Frame(reason));
                }
                Next::Cut(reason) => {
                    self.frames = number;
                    lose(Loss::Frame(reason));
                    self.layout = None;
                }
                Next::Broken(reason) => {
                    self.frames = number;
                    lose(Loss::Rest(reason));
                    self.layout = None;
                }
            }
        }
        self.window.give_back(bytes);
        if self.layout.is_none() {
            self.window.close();
        }
        if found.is_empty()
            && let Some(reason) = self.window.failure()
        {
            let name = &self.name;
            return Err(Box::new(
                Diagnostic::bare(format!("cannot read {name} to its end: {reason}"))
                    .help("a part of a recording proves nothing about the rest; name a whole one"),
            ));
        }
        Ok(())
    }
}
