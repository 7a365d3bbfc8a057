//! What is compared: the client's plan, who takes part, and which figures count.

use clap::ValueEnum;
use serde::Serialize;

use crate::plan::{self, Plan};
use crate::subjects::{Fields, Link, Setup, Task, Upstream};

use super::entrant::Entrant;

/// A workload of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// A keep-alive hello.
    Hello,
    /// 20 request fields, 1.2 KiB of head, 200 routes, 4 KiB of answer, access log on.
    Browser,
    /// A file of 1 KiB.
    #[value(name = "static-1k")]
    #[serde(rename = "static-1k")]
    Static1k,
    /// A file of 100 MB, four at once.
    #[value(name = "static-100m")]
    #[serde(rename = "static-100m")]
    Static100m,
    /// One large answer through the proxy.
    Download,
    /// One large request through the proxy.
    Upload,
    /// One large answer and one large request at once, on two connections.
    Duplex,
    /// 10,000 connections that rest.
    Idle,
    /// The hello at a quarter, a half and three quarters of the rate that nginx reaches, the same rate for all.
    Paced,
    /// The hello with one shard and with two, over a link that each shard has and over one that shards share.
    Shards,
}

/// Which figures a workload is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Costs a request, rates, latencies.
    Requests,
    /// Costs a gigabyte, rates, memory.
    Bytes,
    /// Memory a connection.
    Connections,
}

impl Workload {
    /// All of them, in the order of reports.
    pub(crate) fn all() -> &'static [Workload] {
        Workload::value_variants()
    }

    /// Its name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::Hello => "hello",
            Workload::Browser => "browser",
            Workload::Static1k => "static-1k",
            Workload::Static100m => "static-100m",
            Workload::Download => "download",
            Workload::Upload => "upload",
            Workload::Duplex => "duplex",
            Workload::Idle => "idle",
            Workload::Paced => "paced",
            Workload::Shards => "shards",
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Workload::Hello
            | Workload::Browser
            | Workload::Static1k
            | Workload::Paced
            | Workload::Shards => Kind::Requests,
            Workload::Static100m | Workload::Download | Workload::Upload | Workload::Duplex => {
                Kind::Bytes
            }
            Workload::Idle => Kind::Connections,
        }
    }

    pub(crate) fn task(self) -> Task {
        match self {
            Workload::Hello | Workload::Idle | Workload::Paced | Workload::Shards => Task::Hello,
            Workload::Browser => Task::Browser,
            Workload::Static1k | Workload::Static100m => Task::Static,
            Workload::Download => Task::Download,
            Workload::Upload => Task::Upload,
            Workload::Duplex => Task::Duplex,
        }
    }

    /// Who takes part.
    pub(crate) fn entrants(self) -> Vec<Entrant> {
        let bare = |upstream| {
            [
                Entrant::Nginx(Fields::Bare, upstream),
                Entrant::Haproxy(Fields::Bare, upstream),
            ]
        };
        let plain = bare(Upstream::Plain);
        let telling = [
            Entrant::Nginx(Fields::AsTheGateway, Upstream::Plain),
            Entrant::Haproxy(Fields::AsTheGateway, Upstream::Plain),
        ];
        let legacy = Entrant::Gateway(Setup {
            link: Link::Legacy,
            ..Setup::USUAL
        });
        let two = |link| Entrant::Gateway(Setup { shards: 2, link });
        let rivals = match self {
            Workload::Hello | Workload::Browser => [plain, telling].concat(),
            // HAProxy serves no files.
            Workload::Static1k | Workload::Static100m => plain[..1].to_vec(),
            Workload::Download => {
                [&plain[..], &bare(Upstream::Tls), &[legacy, Entrant::NPM]].concat()
            }
            Workload::Upload => [&plain[..], &bare(Upstream::Tls), &[legacy]].concat(),
            Workload::Duplex => [plain, bare(Upstream::Tls)].concat(),
            Workload::Idle | Workload::Paced => plain.to_vec(),
            Workload::Shards => vec![two(Link::Flatend2), legacy, two(Link::Legacy)],
        };
        [&[Entrant::OURS][..], &rivals].concat()
    }

    /// The client's plan; `bytes` is the size of a bulk transfer.
    ///
    /// # Errors
    /// The plan that stands beside this program is wrong.
    pub(crate) fn plan(self, bytes: u64) -> Result<Plan, String> {
        let text = match self {
            Workload::Hello | Workload::Paced | Workload::Shards => {
                include_str!("../../plans/hello.toml")
            }
            Workload::Browser => include_str!("../../plans/browser.toml"),
            Workload::Static1k => include_str!("../../plans/static-1k.toml"),
            Workload::Static100m => include_str!("../../plans/static-100m.toml"),
            Workload::Download => include_str!("../../plans/download.toml"),
            Workload::Upload => include_str!("../../plans/upload.toml"),
            Workload::Duplex => include_str!("../../plans/duplex.toml"),
            Workload::Idle => include_str!("../../plans/idle.toml"),
        };
        let mut plan = plan::parse(self.name(), text)?;
        self.name().clone_into(&mut plan.title);
        if self.task().is_bulk() {
            let groups = plan.groups.iter_mut();
            for request in groups.flat_map(|group| &mut group.requests_sent) {
                match request.body_bytes {
                    None => {
                        request.path = format!("/bytes/{bytes}");
                        request.expect.length = Some(bytes);
                    }
                    Some(_) => {
                        request.body_bytes = Some(bytes);
                        request.expect.body = Some(bytes.to_string());
                    }
                }
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::{PAGE_LINE, PAGE_LINES, ROUTES};

    #[test]
    fn plans_ask_what_the_subjects_answer() {
        for workload in Workload::all() {
            let plan = workload.plan(7).unwrap();
            assert_eq!(plan.title, workload.name());
            assert!(
                plan::job(&plan, Some("http://127.0.0.1:1")).is_ok(),
                "{workload:?}"
            );
        }
        let browser = Workload::Browser.plan(7).unwrap();
        let expect = &browser.groups[0].requests_sent[0].expect;
        assert_eq!(expect.repeats.as_deref(), Some(PAGE_LINE));
        assert_eq!(expect.length, Some((PAGE_LINE.len() * PAGE_LINES) as u64));
        let job = plan::job(&browser, Some("http://127.0.0.1:3000")).unwrap();
        let templates = &job.groups[0].templates;
        assert_eq!(templates.len(), ROUTES);
        let head = std::str::from_utf8(&templates[0].bytes).unwrap();
        assert!(head.starts_with("GET /api/v1/resource-001/42 HTTP/1.1\r\n"));
        assert_eq!(head.lines().count(), 1 + 20 + 1, "20 fields");
        assert!(
            (1180..=1280).contains(&head.len()),
            "1.2 KiB: {}",
            head.len()
        );
        let upload = Workload::Upload.plan(7).unwrap();
        assert_eq!(upload.groups[0].requests_sent[0].body_bytes, Some(7));
        let duplex = Workload::Duplex.plan(7).unwrap();
        let of = |at: usize| &duplex.groups[at].requests_sent[0];
        assert_eq!(
            (of(0).path.as_str(), of(0).expect.length),
            ("/bytes/7", Some(7))
        );
        assert_eq!((of(1).path.as_str(), of(1).body_bytes), ("/count", Some(7)));
        assert!(of(0).expect.pattern, "every byte is checked");
    }
}
