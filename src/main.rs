use std::process::ExitCode;

use darknode::config::{self, Action, Config, DataDir, Simulation};
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::node::clock::{Clock, random};
use darknode::node::home::{Home, HomeError};
use darknode::node::{NodeConfig, lan, start};
use darknode::sim::scenario;
use darknode::time::Now;
use darknode::ui;
use darknode::ui::exit::Exit;

/// Why the program did not start, as one line.
type StartError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let done = config::read(std::env::args_os()).map_err(StartError::from).and_then(act);
    let exit = done.unwrap_or_else(|why| {
        eprintln!("darknode: {}", ui::plain::inline(&why.to_string()));
        Exit::Usage
    });
    exit.into()
}

fn act(action: Action) -> Result<Exit, StartError> {
    match action {
        Action::Run(config) => return run(*config),
        Action::NetworkNew => ui::print(&NetworkKey::generate(random()).to_text()),
        Action::IdentityWords(data) => {
            let asked = data.named.then_some(&data.name);
            ui::identity::show_words(&*Home::user_seed(&data.dir, asked)?)
        }
        Action::IdentityRestore(data) => {
            let seed = ui::identity::ask_words()?;
            let restored = Home::open(&data.dir)?.restore(&data.name, &seed, random)?;
            ui::identity::report_restored(data.name.as_str(), &restored.user);
        }
        Action::Simulate(simulation) => return Ok(simulate(&simulation)),
        Action::Print(text) => ui::print(&text),
    }
    Ok(Exit::Success)
}

/// Fails if an invariant or a promise of the scenario did not hold.
fn simulate(simulation: &Simulation) -> Exit {
    let clock = Clock::new(Now::default());
    let began = clock.now().moment;
    let mut progress = ui::sim::Progress::default();
    let report = scenario::run(&simulation.order, &mut |now| progress.show(now));
    progress.clear();
    let elapsed = clock.now().moment.since(began);
    ui::print(&ui::sim::render(simulation, &report, elapsed));
    if report.broken.is_empty() { Exit::Success } else { Exit::Failure }
}

fn run(config: Config) -> Result<Exit, StartError> {
    config.warnings.iter().for_each(|warning| eprintln!("darknode: warning: {}", ui::plain::inline(warning)));
    ui::log::start(&config);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(config.threads.get()).enable_all().build()?;
    let node = NodeConfig {
        name: name(&config.data)?,
        data_dir: config.data.dir.clone(),
        port: config.port,
        network: config.network.clone(),
        roles: config.roles,
        accept: config.accept,
        bootstrap: config.bootstrap.clone(),
        lan: config.lan.then_some(lan::MDNS_PORT),
    };
    let code = runtime.block_on(async { Ok::<_, StartError>(ui::run(&config, start(node)?.0).await) })?;
    runtime.shutdown_background();
    Ok(code)
}

/// The owner of the directory, if no name was given on the command line; else that name.
fn name(data: &DataDir) -> Result<Name, HomeError> {
    let known = if data.named || !data.dir.exists() { None } else { Home::open(&data.dir)?.owner()? };
    Ok(known.map_or_else(|| data.name.clone(), |owner| owner.name))
}
