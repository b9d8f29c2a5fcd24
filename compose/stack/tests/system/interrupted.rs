//! Ctrl-C on a stack in the foreground.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::operating::{NAMES, assert_works, status_names_every_process};
use crate::stack::{Stack, processes_of};
use crate::wait::until;

/// Longest orderly end of everything: each process has its own limit below this.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// SIGINT stops everything, the front door first and the databases last, and leaves nothing running.
pub(crate) fn ctrl_c_stops_everything_in_order(stack: &Stack, while_up: impl FnOnce()) {
    let mut up = stack.up_command(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(up.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.by_ref().take_while(|line| line != "Ctrl-C stops everything.").collect();
    assert!(up.try_wait().unwrap().is_none(), "`up` ended by itself: {said:#?}");
    status_names_every_process(stack);
    while_up();
    assert_works(stack.front, "a stack in the foreground");

    rustix::process::kill_process(Pid::from_raw(i32::try_from(up.id()).unwrap()).unwrap(), Signal::INT)
        .unwrap();
    // What it says ends with it.
    let said: Vec<String> = lines.collect();
    let code = until("`up` has ended", STOP_LIMIT, || {
        up.try_wait().unwrap().map(|status| status.code()).ok_or_else(|| "it runs".to_owned())
    });
    assert_eq!(code, Some(0), "{said:#?}");
    let stopped: Vec<&str> =
        said.iter().filter_map(|line| line.strip_prefix(" ok stopping ")?.split(' ').next()).collect();
    let backwards: Vec<&str> = NAMES.into_iter().rev().collect();
    assert_eq!(stopped, backwards, "{said:#?}");
    assert_eq!(processes_of(&stack.data), [], "Ctrl-C left processes running");
    assert!(stack.pids().is_empty());
}
