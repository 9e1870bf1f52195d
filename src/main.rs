use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;

use darknode::api;
use darknode::config::{self, Action, Config, DataDir, Interface, Simulation};
use darknode::handle::Handle;
use darknode::hub::{self, Clients};
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::metrics;
use darknode::node::clock::{Clock, random};
use darknode::node::home::{Home, HomeError};
use darknode::node::linked::{self, SessionSeed};
use darknode::node::{NodeConfig, examine_machine, lan, start, start_waiting};
#[cfg(feature = "screen")]
use darknode::screen;
use darknode::sim::scenario;
use darknode::time::Now;
use darknode::ui::exit::Exit;
#[cfg(feature = "screen")]
use darknode::ui::greeting::Setup;
use darknode::ui::link::Waited;
use darknode::ui::{self, Console};
use darknode::web;
use tokio::sync::Notify;

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
        Action::Link(config) => return link(*config),
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
        Action::Remote(remote) => return Ok(darknode::cli::run(&remote, examine_machine)),
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

/// What comes before there are other threads.
fn begin(config: &Config) {
    config.warnings.iter().for_each(|warning| eprintln!("darknode: warning: {}", ui::plain::inline(warning)));
    #[cfg(feature = "screen")]
    if config.interface == Interface::Screen {
        screen::hold_stops();
    }
}

fn run(config: Config) -> Result<Exit, StartError> {
    begin(&config);
    ui::log::start(&config);
    in_runtime(config.threads, async {
        let listeners = Listeners::bind(&config)?;
        let node = node_config(&config, name(&config.data)?);
        let (handle, _) = start(node)?;
        Ok(interact(&config, listeners, handle, Console::open(&config), ui::signals::watch(restore_terminal)).await)
    })
}

/// Waits to be linked, and then runs the node of the user.
fn link(mut config: Config) -> Result<Exit, StartError> {
    begin(&config);
    let given = !config.data.default_dir;
    // The log is in the data directory while the terminal is taken.
    if !config.interface.takes_terminal() || given {
        ui::log::start(&config);
    }
    in_runtime(config.threads, async {
        let listeners = Listeners::bind(&config)?;
        let home = given.then(|| linked::open_unowned(&config.data.dir)).transpose()?;
        let seed = SessionSeed::draw();
        let stop = ui::signals::watch(restore_terminal);
        let (handle, node) = start_waiting(node_config(&config, config.data.name.clone()), seed.key())?;
        let mut console = Console::open(&config);
        let (adopted, port) = match ui::link::wait(&mut console, handle, &stop).await {
            Waited::Linked(adopted, port) => (adopted, port),
            Waited::Ended(exit) => return Ok(exit),
        };
        node.await?;
        let name = adopted.name.clone();
        let default = config::default_dir(&name)?;
        let home = home.map_or_else(|| linked::open_default(&default), Ok)?;
        linked::establish(&home, *adopted, &seed, config.network.id())?;
        let (dir, default_dir) = (home.dir().to_owned(), !given && home.dir() == default);
        drop(home);
        config.data = DataDir { name: name.clone(), named: true, dir, default_dir };
        config.port = Some(port);
        ui::log::start(&config);
        Ok(interact(&config, listeners, start(node_config(&config, name))?.0, console, stop).await)
    })
}

/// What other programs connect to beside the local API.
struct Listeners {
    metrics: Option<metrics::Bound>,
    web: Option<web::Bound>,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Listeners, StartError> {
        let metrics = config.metrics.map(metrics::bind).transpose()?;
        Ok(Listeners { metrics, web: config.web.map(web::bind).transpose()? })
    }
}

/// Runs the interface, and the local API, metrics and the web page beside it.
async fn interact(config: &Config, listeners: Listeners, node: Handle, console: Console, stop: Arc<Notify>) -> Exit {
    let (primary, clients) = match config.interface {
        Interface::Screen => (None, hub::start_with_clients(node)),
        _ => {
            let (primary, clients) = hub::start(node);
            (Some(primary), clients)
        }
    };
    let _metrics = listeners.metrics.map(|bound| bound.serve(clients.observer()));
    let web = web::start(clients.clone(), listeners.web, random);
    let api = api::open(&config.data.dir, clients.clone());
    let exit = match primary {
        Some(primary) => {
            ui::page::show(|| web.link());
            ui::run(config, primary, console, stop).await
        }
        None => full_screen(config, &clients, web.link(), stop).await,
    };
    tokio::join!(api.close(), web.close());
    exit
}

/// Runs the full screen until it is left, and the node with it. `page` is a link to the web page.
#[cfg(feature = "screen")]
async fn full_screen(config: &Config, clients: &Clients, page: Option<String>, stop: Arc<Notify>) -> Exit {
    let (observer, setup) = (clients.observer(), Setup::of(config));
    let greeting = move || {
        let created = observer.started().filter(|(ready, _)| ready.fresh);
        let created = created.map(|(ready, _)| ui::greeting::new_identity(&ready, &setup));
        let page = page.map(|link| ui::page::sentence(&link));
        let told: Vec<String> = created.into_iter().chain(page).collect();
        (!told.is_empty()).then(|| told.join("\n\n"))
    };
    let options = screen::Options { is_own: true, notify: config.screen.clone(), greeting: Box::new(greeting) };
    let shown = screen::run(async || api::local::connect_own(clients), options, stop).await;
    if matches!(shown, Ok(screen::End::Stopped)) && clients.failure().is_none() {
        ui::print("the node has stopped\n");
    }
    let failure = clients.failure().or(shown.err().map(|error| format!("the terminal cannot be used: {error}")));
    match failure {
        Some(why) => {
            eprintln!("darknode: {}", ui::plain::inline(&why));
            Exit::Failure
        }
        None => Exit::Success,
    }
}

/// It is not part of this program, and so never chosen.
#[cfg(not(feature = "screen"))]
async fn full_screen(_: &Config, _: &Clients, _: Option<String>, _: Arc<Notify>) -> Exit {
    Exit::Failure
}

/// Gives the terminal back as it was.
fn restore_terminal() {
    ui::interactive::restore_terminal();
    #[cfg(feature = "screen")]
    screen::terminal::restore();
}

/// Runs a program to its end.
fn in_runtime(
    threads: NonZeroUsize,
    program: impl Future<Output = Result<Exit, StartError>>,
) -> Result<Exit, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads.get()).enable_all().build()?;
    let exit = runtime.block_on(program)?;
    runtime.shutdown_background();
    Ok(exit)
}

fn node_config(config: &Config, name: Name) -> NodeConfig {
    NodeConfig {
        name,
        data_dir: config.data.dir.clone(),
        port: config.port,
        network: config.network.clone(),
        roles: config.roles,
        accept: config.accept,
        bootstrap: config.bootstrap.clone(),
        lan: config.lan.then_some(lan::MDNS_PORT),
    }
}

/// The owner of the directory, if no name was given on the command line; else that name.
fn name(data: &DataDir) -> Result<Name, HomeError> {
    let known = if data.named || !data.dir.exists() { None } else { Home::open(&data.dir)?.owner()? };
    Ok(known.map_or_else(|| data.name.clone(), |owner| owner.name))
}
