//! `loadtest bulk`: one large body through the gateway, each way, and what the gateway needs for it in CPU time and memory.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::cli::BulkOptions;
use crate::machine::{self, Machine};
use crate::memory::{self, Watch};
use crate::pattern::Pattern;
use crate::plan::{self, Cores};
use crate::proc_stat::{self, cpu_seconds, MachineStat};
use crate::process::{on_core, Running};
use crate::stats::{median, range};
use crate::{client, gateway, report, stop};

/// Which way the body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    /// From the service to the client.
    Download,
    /// From the client to the service.
    Upload,
}

/// One transfer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Transfer {
    pub(crate) way: Way,
    pub(crate) round: u32,
    pub(crate) seconds: f64,
    pub(crate) mb_per_s: f64,
    /// CPU seconds for 10^9 bytes.
    pub(crate) gateway_cpu_s_per_gb: f64,
    pub(crate) provider_cpu_s_per_gb: f64,
    /// Resident memory of the gateway over the transfer.
    pub(crate) resident_kib: Vec<u64>,
    /// Largest resident memory since the gateway began.
    pub(crate) peak_kib: u64,
    pub(crate) steal_share: f64,
    pub(crate) quiet_before: bool,
}

#[derive(Debug, Serialize)]
struct Bulk {
    command: String,
    machine: Machine,
    cores: Cores,
    bytes: u64,
    transfers: Vec<Transfer>,
    configurations: Vec<(&'static str, String)>,
}

struct Setup {
    addr: SocketAddr,
    gateway: Running,
    provider: Running,
    cores: Cores,
    pattern: Pattern,
}

/// Runs the transfers and prints their figures.
///
/// # Errors
/// A sentence: what is missing, what failed. All processes are ended then.
pub(crate) fn run(options: &BulkOptions) -> Result<(), String> {
    let cores = Cores::choose(&flatend::rt::allowed_cpus())?;
    let binary = gateway::binary(options.common.gateway.as_deref())?;
    let dir = plan::directory(options.common.dir.as_deref())?;
    let [http, mesh] = plan::free_addrs()?;
    let config = gateway::config(
        gateway::Addrs { http, mesh },
        &[("GET /bytes/:count", "bytes"), ("POST /count", "count")],
    );
    let setup = start(&binary, &config, (http, mesh), cores, &dir)?;
    let machine = Machine::read();
    let mut transfers = Vec::new();
    for round in 0..options.rounds {
        for way in [Way::Download, Way::Upload] {
            stop::check()?;
            let quiet_before = machine::wait_quiet(options.common.quiet_wait)?;
            let transfer = transfer(&setup, way, round, options.bytes, quiet_before)?;
            eprintln!("{}", progress(&transfer));
            transfers.push(transfer);
        }
    }
    drop(setup);
    let bulk = Bulk {
        command: report::command_line(),
        machine,
        cores,
        bytes: options.bytes,
        transfers,
        configurations: vec![("gateway", config)],
    };
    print!("{}", markdown(&bulk));
    println!("\nConfiguration and logs: {}", dir.display());
    report::write_json(options.common.json.as_deref(), &bulk)
}

fn start(
    binary: &Path,
    config: &str,
    (http, mesh): (SocketAddr, SocketAddr),
    cores: Cores,
    dir: &Path,
) -> Result<Setup, String> {
    let mut gateway = gateway::start(binary, config, cores.proxy, dir)?;
    gateway.listens(mesh)?;
    let provider = gateway::start_provider("serve-bulk", mesh, cores.others, dir)?;
    gateway.answers(http, "/bytes/0")?;
    Ok(Setup {
        addr: http,
        gateway,
        provider,
        cores,
        pattern: Pattern::new(),
    })
}

fn transfer(
    setup: &Setup,
    way: Way,
    round: u32,
    bytes: u64,
    quiet_before: bool,
) -> Result<Transfer, String> {
    let read = || {
        Ok::<_, String>((
            cpu_seconds(setup.gateway.pid())?,
            cpu_seconds(setup.provider.pid())?,
            MachineStat::read()?,
        ))
    };
    let before = read()?;
    let watch = Watch::start(setup.gateway.pid());
    let begin = Instant::now();
    let outcome = on_core(setup.cores.others, || match way {
        Way::Download => client::download(
            setup.addr,
            &format!("/bytes/{bytes}"),
            bytes,
            &setup.pattern,
        ),
        Way::Upload => client::upload(setup.addr, "/count", bytes, &setup.pattern),
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    let resident_kib = watch.finish()?;
    outcome.map_err(|error| format!("{way:?} of {bytes} bytes: {error}"))?;
    let after = read()?;
    let gb = bytes as f64 / 1e9;
    Ok(Transfer {
        way,
        round,
        seconds,
        mb_per_s: bytes as f64 / 1e6 / seconds,
        gateway_cpu_s_per_gb: (after.0 - before.0) / gb,
        provider_cpu_s_per_gb: (after.1 - before.1) / gb,
        resident_kib,
        peak_kib: proc_stat::memory(setup.gateway.pid())?.peak_kib,
        steal_share: after.2.since(before.2).steal,
        quiet_before,
    })
}

fn progress(transfer: &Transfer) -> String {
    format!(
        "round {}, {:?}: {:.0} MB/s, gateway {:.2} CPU s/GB (stolen {:.0} %)",
        transfer.round + 1,
        transfer.way,
        transfer.mb_per_s,
        transfer.gateway_cpu_s_per_gb,
        transfer.steal_share * 100.0
    )
}

fn markdown(bulk: &Bulk) -> String {
    let mut text = report::machine(&bulk.machine);
    text.push_str(&format!(
        "- `{}`: bodies of {} bytes, gateway on core {}, client and provider on core {}; median (range)\n\n",
        bulk.command, bulk.bytes, bulk.cores.proxy, bulk.cores.others
    ));
    text.push_str(
        "| way | MB/s | gateway CPU s/GB | provider CPU s/GB | gateway peak RSS MiB | RSS over the last transfer, MiB |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for way in [Way::Download, Way::Upload] {
        let own: Vec<&Transfer> = bulk
            .transfers
            .iter()
            .filter(|transfer| transfer.way == way)
            .collect();
        let cell = |digits: usize, value: fn(&Transfer) -> f64| {
            let values = || own.iter().map(|transfer| value(transfer));
            let middle = median(values()).unwrap_or(f64::NAN);
            let (low, high) = range(values()).unwrap_or((f64::NAN, f64::NAN));
            format!("{middle:.digits$} ({low:.digits$}–{high:.digits$})")
        };
        let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
        let peak = own.iter().map(|transfer| transfer.peak_kib).max();
        let series = own
            .last()
            .map(|transfer| memory::points(&transfer.resident_kib));
        let series: Vec<String> = series.unwrap_or_default().into_iter().map(mib).collect();
        text.push_str(&format!(
            "| {way:?} | {} | {} | {} | {} | {} |\n",
            cell(0, |transfer| transfer.mb_per_s),
            cell(2, |transfer| transfer.gateway_cpu_s_per_gb),
            cell(2, |transfer| transfer.provider_cpu_s_per_gb),
            peak.map(mib).unwrap_or_default(),
            series.join(" ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_stand_in_the_table() {
        let transfer = |way, mb_per_s| Transfer {
            way,
            round: 0,
            seconds: 1.0,
            mb_per_s,
            gateway_cpu_s_per_gb: 0.76,
            provider_cpu_s_per_gb: 1.5,
            resident_kib: vec![1024, 2048, 2048],
            peak_kib: 4096,
            steal_share: 0.0,
            quiet_before: true,
        };
        let bulk = Bulk {
            command: "loadtest bulk".to_owned(),
            machine: Machine::read(),
            cores: Cores {
                proxy: 0,
                others: 1,
            },
            bytes: 1_000,
            transfers: vec![
                transfer(Way::Download, 800.0),
                transfer(Way::Upload, 500.0),
                transfer(Way::Upload, 700.0),
            ],
            configurations: Vec::new(),
        };
        let text = markdown(&bulk);
        for line in [
            "| Download | 800 (800–800) | 0.76 (0.76–0.76) | 1.50 (1.50–1.50) | 4.0 | 1.0 2.0 2.0 |",
            "| Upload | 600 (500–700) |",
        ] {
            assert!(text.contains(line), "{line}\nin\n{text}");
        }
    }
}
