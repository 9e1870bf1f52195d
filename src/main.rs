use std::process::ExitCode;

use darknode::config::{self, Action, Config, Place, Simulation};
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::node::clock::{Clock, random};
use darknode::node::home::{Home, HomeError};
use darknode::node::{NodeConfig, lan, start};
use darknode::sim::scenario::play;
use darknode::time::Now;
use darknode::ui;
use darknode::ui::exit::Exit;

/// What cannot work, as one line; nothing was changed.
type Refusal = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let done = config::read(std::env::args_os()).map_err(Refusal::from).and_then(act);
    let exit = done.unwrap_or_else(|why| {
        eprintln!("darknode: {}", ui::plain::inline(&why.to_string()));
        Exit::Usage
    });
    exit.into()
}

fn act(action: Action) -> Result<Exit, Refusal> {
    match action {
        Action::Run(config) => return run(*config),
        Action::NetworkNew => ui::print(&NetworkKey::generate(random()).to_text()),
        Action::IdentityWords(place) => {
            let asked = place.named.then_some(&place.name);
            ui::identity::show_words(&*Home::user_seed(&place.dir, asked)?)
        }
        Action::IdentityRestore(place) => {
            let seed = ui::identity::ask_words()?;
            let restored = Home::open(&place.dir)?.restore(&place.name, &seed, random)?;
            ui::identity::welcome_back(place.name.as_str(), &restored.user);
        }
        Action::Simulate(simulation) => return Ok(simulate(&simulation)),
        Action::Tell(text) => ui::print(&text),
    }
    Ok(Exit::Success)
}

/// Exit code 1 if something did not hold that should.
fn simulate(simulation: &Simulation) -> Exit {
    let clock = Clock::new(Now::default());
    let began = clock.now().moment;
    let mut progress = ui::sim::Progress::default();
    let report = play(&simulation.order, &mut |now| progress.show(now));
    progress.clear();
    let took = clock.now().moment.since(began);
    ui::print(&ui::sim::render(simulation, &report, took));
    if report.broken.is_empty() { Exit::Success } else { Exit::Failure }
}

fn run(config: Config) -> Result<Exit, Refusal> {
    config.warnings.iter().for_each(|warning| eprintln!("darknode: warning: {}", ui::plain::inline(warning)));
    ui::log::start(&config);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(config.threads.get()).enable_all().build()?;
    let node = NodeConfig {
        name: name(&config.place)?,
        data_dir: config.place.dir.clone(),
        port: config.port,
        network: config.network.clone(),
        roles: config.roles,
        accept: config.accept,
        bootstrap: config.bootstrap.clone(),
        lan: config.lan.then_some(lan::MDNS_PORT),
    };
    let code = runtime.block_on(async { Ok::<_, Refusal>(ui::run(&config, start(node)?.0).await) })?;
    runtime.shutdown_background();
    Ok(code)
}

/// A name made from the host's gives way to that of whoever the directory belongs to.
fn name(place: &Place) -> Result<Name, HomeError> {
    let known = if place.named || !place.dir.exists() { None } else { Home::open(&place.dir)?.owner()? };
    Ok(known.map_or_else(|| place.name.clone(), |owner| owner.name))
}
