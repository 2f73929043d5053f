//! Files in which one can go anywhere, whoever opened them.

/// A file in which one can go anywhere.
pub trait ReadAt: Send + Sync {
    /// Returns how many bytes it has.
    fn size(&self) -> u64;

    /// Fills a buffer from some place on. An error says why that is not possible.
    fn read_at(&self, start: u64, buffer: &mut [u8]) -> Result<(), String>;
}
