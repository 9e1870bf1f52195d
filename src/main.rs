use std::io;
use std::process::ExitCode;

use darknode::config::{self, Action, Config};
use darknode::handle::Handle;
use darknode::identity::network::NetworkKey;
use darknode::ui;

fn main() -> ExitCode {
    match config::read(std::env::args_os()).map_err(|wrong| wrong.to_string()).and_then(act) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("darknode: {why}");
            ExitCode::from(2)
        }
    }
}

/// The error is one line about what cannot work, with nothing changed.
fn act(action: Action) -> Result<ExitCode, String> {
    match action {
        Action::Run(config) => return run(&config),
        Action::NetworkNew => {
            let mut random = [0; 64];
            getrandom::fill(&mut random).map_err(|error| format!("there is no randomness: {error}"))?;
            print!("{}", NetworkKey::generate(random).to_text());
        }
        Action::IdentityWords(_) | Action::IdentityRestore(_) => return Err("this build has no data directory".into()),
        Action::Tell(text) => print!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn run(config: &Config) -> Result<ExitCode, String> {
    config.warnings.iter().for_each(|warning| eprintln!("darknode: warning: {warning}"));
    ui::log::start(config);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(config.threads.get()).enable_all().build();
    let runtime = runtime.map_err(|error: io::Error| format!("the threads cannot be started: {error}"))?;
    let handle = runtime.block_on(start(config))?;
    let code = runtime.block_on(ui::run(config, handle));
    runtime.shutdown_background();
    Ok(code)
}

async fn start(_config: &Config) -> Result<Handle, String> {
    Err("this build has no node".to_owned())
}
