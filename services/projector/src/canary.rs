//! The canary's way to meta: a beat that was seen with the log's heads is stored there once meta has
//! reached these heads. So it says that events come through, not that a process runs.

use domain::Beat;
use primary::HeadsAtBeat;

/// Which beat meta has, and which one it is to have next.
#[derive(Debug, Default)]
pub(crate) struct Canary {
    stored: Option<Beat>,
    target: Option<HeadsAtBeat>,
}

impl Canary {
    /// What meta has to reach next, after another look at the log. It stays until it is reached, else
    /// meta would never get there while events come.
    pub(crate) fn target(&mut self, seen: HeadsAtBeat) -> Option<HeadsAtBeat> {
        // The primary was restored, and its beats begin again from an earlier one.
        let is_past = |target: &HeadsAtBeat| target.beat > seen.beat;
        if self.target.as_ref().is_none_or(is_past) {
            self.target = (self.stored != Some(seen.beat)).then_some(seen);
        }
        self.target.clone()
    }

    /// Meta has reached it, and its beat is stored.
    pub(crate) fn reached(&mut self) {
        self.stored = self.target.take().map(|target| target.beat);
    }
}

#[cfg(test)]
mod tests;
