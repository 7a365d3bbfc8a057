//! The driver's side of a group: which request comes next, and whether one may be sent now.

use std::collections::VecDeque;
use std::sync::Arc;

use super::request::Template;
use super::schedule::Schedule;
use super::tally::{Tally, Times, Window};
use super::{Group, Pace};

/// What is left to be sent.
#[derive(Clone, Debug)]
enum Work {
    Closed,
    Counted { left: u64 },
    Open(Schedule),
}

/// A group while it runs.
#[derive(Debug)]
pub(crate) struct Running {
    work: Work,
    window: Window,
    next_template: usize,
    templates: Arc<[Template]>,
    pub(crate) pipeline: usize,
    pub(crate) requests_a_connection: u64,
    pub(crate) tally: Tally,
    /// Connections with room for a request that is not due yet. Some may have been lost since.
    pub(crate) idle: VecDeque<usize>,
}

impl Running {
    /// Before the first request.
    pub(crate) fn new(group: &Group, window: Window) -> Running {
        Running {
            work: match group.pace {
                Pace::Closed => Work::Closed,
                Pace::Counted(left) => Work::Counted { left },
                Pace::Open { per_s } => Work::Open(Schedule::new(per_s, window.end_ns)),
            },
            window,
            next_template: 0,
            templates: group.templates.clone(),
            pipeline: group.pipeline,
            requests_a_connection: group.requests_a_connection.unwrap_or(u64::MAX),
            tally: Tally::new(window),
            idle: VecDeque::new(),
        }
    }

    /// The template with this index.
    pub(crate) fn template(&self, at: usize) -> Option<&Template> {
        self.templates.get(at)
    }

    /// Takes a request that may be sent now: the index of its template and its times.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<(usize, Times)> {
        let origin_ns = match &mut self.work {
            Work::Closed => (now_ns < self.window.end_ns).then_some(now_ns),
            // The warm-up is not for requests that are counted.
            Work::Counted { left } if *left > 0 && now_ns >= self.window.begin_ns => {
                *left -= 1;
                Some(now_ns)
            }
            Work::Counted { .. } => None,
            Work::Open(schedule) => schedule.take_due(now_ns),
        }?;
        let template = self.next_template;
        self.next_template = (template + 1) % self.templates.len().max(1);
        Some((
            template,
            Times {
                origin_ns,
                sent_ns: now_ns,
            },
        ))
    }

    /// When the next request may be sent, if that is known.
    pub(crate) fn upcoming_ns(&self) -> Option<u64> {
        match &self.work {
            Work::Open(schedule) => schedule.upcoming_ns(),
            Work::Counted { left } if *left > 0 => Some(self.window.begin_ns),
            Work::Closed | Work::Counted { .. } => None,
        }
    }

    /// Whether requests are left that have to be sent.
    pub(crate) fn has_backlog(&self) -> bool {
        self.upcoming_ns().is_some()
    }

    /// Notes as unsent what is left of the schedule.
    pub(crate) fn leave(&mut self, now_ns: u64) {
        if let Work::Open(schedule) = &mut self.work {
            while let Some(intended_ns) = schedule.take_due(u64::MAX) {
                self.tally.leave_unsent(intended_ns, now_ns);
            }
        }
    }
}
