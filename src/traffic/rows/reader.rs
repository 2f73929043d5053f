//! Hands out a recording of rows, block by block.

use std::io::Read;
use std::sync::Arc;

use super::Preset;
use super::block::{Block, Shared};
use super::make::Maker;
use super::plan::Plan;
use super::source::{Source, cannot_read};
use crate::model::{Diagnostic, ReadCounts};
use crate::traffic::{Piece, Settings, TrafficReader};

/// How many bytes are cut off for each record that is handed on at a time.
const BYTES: usize = 256;

/// Opens a recording.
pub(super) fn open(
    preset: &'static Preset,
    input: Box<dyn Read + Send>,
    settings: &Settings,
) -> Result<Box<dyn TrafficReader>, Box<Diagnostic>> {
    let columns = settings.columns.as_deref();
    let plan = Plan::new(preset, columns);
    let materials = (columns, settings.file.clone());
    let source = Source::open(preset, input, &plan, materials, &settings.name)?;
    let maker = Maker::new(preset, plan, settings)?;
    let shared = Arc::new(Shared::new(maker));
    Ok(Box::new(Reader { source, shared, blocks: 0, is_over: false, failed: None }))
}

struct Reader {
    source: Source,
    shared: Arc<Shared>,
    /// How many blocks were cut.
    blocks: u64,
    /// Whether the end, or an error, was told.
    is_over: bool,
    /// Why nothing more could be cut, if blocks before are still read: one of them may end the reading.
    failed: Option<Box<Diagnostic>>,
}

impl TrafficReader for Reader {
    fn cut(&mut self, piece: &mut Piece) -> Result<bool, Box<Diagnostic>> {
        if self.is_over {
            return Ok(false);
        }
        let Shared { maker, ledger, .. } = &*self.shared;
        let most = maker.settings.batch * BYTES;
        let end = match ledger.is_ended() {
            true => ledger.take_problem(self.blocks).map_or(Ok(false), Err),
            false => match self.source.cut(maker.preset, &maker.plan, piece.buffer(), most) {
                Ok(Some(block)) => {
                    piece.start(Box::new(Block::new(&self.shared, self.blocks, block)));
                    self.blocks += 1;
                    return Ok(true);
                }
                Ok(None) => Ok(false),
                Err(error) => {
                    let problem = cannot_read(&maker.settings.name, &error);
                    match ledger.has_ended(self.blocks) {
                        Some(false) => Err(problem),
                        Some(true) => Ok(false),
                        None => {
                            self.failed = Some(problem);
                            Ok(false)
                        }
                    }
                }
            },
        };
        self.source.close();
        self.is_over = true;
        end
    }

    fn counts(&self) -> ReadCounts {
        let (mut counts, has_v6) = self.shared.ledger.counts();
        counts.no_ipv6 = self.shared.maker.preset.may_lack_v6 && !has_v6;
        counts
    }

    fn problem(&mut self) -> Option<Box<Diagnostic>> {
        let ledger = &self.shared.ledger;
        let failed = self.failed.take().filter(|_| ledger.has_ended(self.blocks) != Some(true));
        ledger.take_problem(self.blocks).or(failed)
    }
}
