//! Progress bars, drawn on standard error when that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar that also moves while nothing is done says that the program is alive.
const TICK: Duration = Duration::from_millis(200);

/// A bar of bytes.
pub(crate) fn bytes(what: &'static str, length: u64) -> ProgressBar {
    bar(what, length, "{msg:10} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left")
}

/// A bar of anything that can be counted.
pub(crate) fn items(what: &'static str, unit: &'static str, length: u64) -> ProgressBar {
    let bar = bar(what, length, "{msg:10} [{bar:30}] {human_pos}/{human_len} {prefix}, {eta} left");
    bar.set_prefix(unit);
    bar
}

/// A bar of anything that can be counted, whose unit and time left are said by whoever shows it.
pub(crate) fn counted(length: u64) -> ProgressBar {
    bar("", length, "{msg:10} [{bar:30}] {human_pos}/{human_len} {prefix}")
}

/// Something of which only the end is known.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(TICK);
    bar
}

fn bar(what: &'static str, length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(length).with_style(style).with_message(what);
    bar.enable_steady_tick(TICK);
    bar
}
