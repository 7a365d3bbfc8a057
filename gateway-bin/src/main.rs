//! The binary `flatend`: reads the command line, calls the command, ends with its status.

use std::io::{self, Write};
use std::process::ExitCode;

use flatend_gateway::cli::{self, Command, Notice};
use flatend_gateway::commands;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let written = match cli::parse(std::env::args_os()) {
        Ok(command) => run(command),
        Err(notice) => print(&notice),
    };
    // What has no line break at its end waits until it is flushed, and could not be told of later.
    match written.and_then(|status| io::stdout().flush().map(|()| status)) {
        Ok(status) => ExitCode::from(status),
        // Who reads our output has gone (`flatend check | head`): nothing is left to say.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            let what = flatend_gateway::io_words(&error);
            // If it was standard error that cannot be written, nobody can be told.
            writeln!(io::stderr(), "flatend: cannot write the output: {what}.").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<u8> {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match command {
        Command::Check { config } => commands::check::run(
            &config,
            &|name| std::env::var(name).ok(),
            &mut out,
            &mut err,
        ),
        Command::Keygen { file, network } => {
            commands::keygen::run(&file, network, &mut out, &mut err)
        }
        Command::Run(options) => {
            commands::run::run(&options, &|name| std::env::var(name).ok(), &mut err)
        }
        Command::Agent(options) => {
            commands::agent::run(&options, &|name| std::env::var(name).ok(), &mut err)
        }
        Command::Invite(options) => commands::invite::run(
            &options,
            &|name| std::env::var(name).ok(),
            &mut out,
            &mut err,
        ),
        Command::Forget(options) => {
            commands::forget::run(&options, &|name| std::env::var(name).ok(), &mut err)
        }
        Command::Call(options) => commands::call::run(&options, &mut out, &mut err),
        Command::Demo => commands::demo::run(&mut err),
    }
}

fn print(notice: &Notice) -> io::Result<u8> {
    if notice.status == 0 {
        io::stdout().lock().write_all(notice.text.as_bytes())?;
    } else {
        io::stderr().write_all(notice.text.as_bytes())?;
    }
    Ok(notice.status)
}
