//! Who takes part in a comparison, and how each is set up.

use crate::subjects::{self, Fields, Link, Place, Setup, Subject, Task, Upstream};

/// One of those that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrant {
    Gateway(Setup),
    Nginx(Fields, Upstream),
    Haproxy(Fields, Upstream),
}

impl Entrant {
    /// The gateway by which all others are measured.
    pub(crate) const OURS: Entrant = Entrant::Gateway(Setup::USUAL);

    /// The gateway with the npm package as the service behind it.
    pub(crate) const NPM: Entrant = Entrant::Gateway(Setup {
        shards: 1,
        link: Link::Npm,
    });

    /// Its name in reports, and that of its directory.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Entrant::Gateway(setup) => match (setup.shards, setup.link) {
                (1, Link::Flatend2) => ("gateway", "gateway"),
                (1, Link::Legacy) => ("gateway, legacy link", "gateway-legacy"),
                (_, Link::Npm) => ("npm service", "npm"),
                (_, Link::Flatend2) => ("gateway, two shards", "gateway-2"),
                (_, Link::Legacy) => ("gateway, two shards, legacy link", "gateway-2-legacy"),
            },
            Entrant::Nginx(fields, upstream) => match (fields, upstream) {
                (Fields::Bare, Upstream::Plain) => ("nginx", "nginx"),
                (Fields::Bare, Upstream::Tls) => ("nginx, TLS upstream", "nginx-tls"),
                (Fields::AsTheGateway, _) => ("nginx, fields as the gateway", "nginx-fields"),
            },
            Entrant::Haproxy(fields, upstream) => match (fields, upstream) {
                (Fields::Bare, Upstream::Plain) => ("haproxy", "haproxy"),
                (Fields::Bare, Upstream::Tls) => ("haproxy, TLS upstream", "haproxy-tls"),
                (Fields::AsTheGateway, _) => ("haproxy, fields as the gateway", "haproxy-fields"),
            },
        }
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        self.names().0
    }

    /// Its directory.
    pub(crate) fn directory(self) -> &'static str {
        self.names().1
    }

    /// Starts it.
    ///
    /// # Errors
    /// A sentence: what is missing, what is refused.
    pub(crate) fn start(self, task: Task, place: &Place) -> Result<Subject, String> {
        let started = match self {
            Entrant::Gateway(setup) => subjects::gateway::start(task, setup, place),
            Entrant::Nginx(fields, upstream) => {
                subjects::nginx::start(task, fields, upstream, place)
            }
            Entrant::Haproxy(fields, upstream) => {
                subjects::haproxy::start(task, fields, upstream, place)
            }
        };
        started.map_err(|error| format!("{}: {error}", self.name()))
    }
}
