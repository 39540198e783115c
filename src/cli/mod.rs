//! The command line: one file a command.

mod check_config;
mod demo;
pub mod logging;
mod migrate;
mod publish;
mod serve;
mod token;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};

use crate::config::{Config, Errors, Flags, Sources};

/// How long the end waits for log lines to be written.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A realtime hub: Socket.IO and plain websockets in, Redis, HTTP and an outbox table behind.
#[derive(Parser, Debug)]
#[command(name = "roomcast", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// TOML file with settings (also ROOMCAST_CONFIG); `check-config --reference` lists them
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Defaults for trying things out: a published secret, loopback only
    #[arg(long, global = true)]
    pub dev: bool,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the hub
    Serve(ServeArgs),
    /// Print a token, signed with the configured secret
    Token(TokenArgs),
    /// Publish one message, through the configured bus or a running hub
    Publish(PublishArgs),
    /// Bring the database's schema up to date
    Migrate,
    /// Say what is wrong with the configuration and where, else print what is in effect
    CheckConfig(CheckConfigArgs),
    /// Fill a store with example campaigns and publish live events
    Demo(DemoArgs),
}

/// Flags of `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address to listen on (server.host)
    #[arg(long)]
    pub host: Option<String>,
    /// Port to listen on, 0 for any free one (server.port)
    #[arg(long)]
    pub port: Option<u16>,
    /// Fill the store with example campaigns and publish live events, to have something to look at
    #[arg(long)]
    pub demo: bool,
}

/// Flags of `token`.
#[derive(Args, Debug)]
pub struct TokenArgs {
    /// The user's id
    #[arg(long, value_name = "ID")]
    pub sub: String,
    /// What the user may: admin, publish, system:read …
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub permissions: Vec<String>,
    /// How long the token is valid, in seconds
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = ttl())]
    pub ttl: u64,
    /// Campaigns that the token calls the user's own
    #[arg(long, value_delimiter = ',', value_name = "ID,ID")]
    pub owned: Vec<String>,
    /// Campaigns that the user takes part in by the token
    #[arg(long, value_delimiter = ',', value_name = "ID,ID")]
    pub participating: Vec<String>,
}

/// A second to ten years.
fn ttl() -> clap::builder::RangedU64ValueParser {
    value_parser!(u64).range(1..=315_360_000)
}

/// Arguments of `publish`.
#[derive(Args, Debug, Default)]
pub struct PublishArgs {
    /// Channel, as campaign:c1
    pub channel: String,
    /// JSON object, as '{"eventType":"status.changed","toStatus":"ACTIVE","trigger":"manual"}'
    pub payload: String,
    /// A running hub to publish through, instead of the configured bus
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// API key for that hub (one of its auth.api_keys)
    #[arg(long, value_name = "KEY", requires = "url", conflicts_with = "token")]
    pub api_key: Option<String>,
    /// Token for that hub, with the permission `publish` or `admin`
    #[arg(long, value_name = "TOKEN", requires = "url")]
    pub token: Option<String>,
}

/// Flags of `check-config`.
#[derive(Args, Debug)]
pub struct CheckConfigArgs {
    /// Print the reference of every setting instead, as Markdown
    #[arg(long)]
    pub reference: bool,
}

/// Flags of `demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// How many example campaigns there are
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    pub campaigns: u32,
    /// How many events are published in a second
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = value_parser!(u32).range(1..=100_000))]
    pub events_per_second: u32,
    /// Fill the store, publish one event for each campaign and end
    #[arg(long)]
    pub once: bool,
}

/// Why a command failed, and so how the process ends.
#[derive(Debug)]
pub enum Failure {
    /// A wrong setting, or a schema newer than the binary: exit code 2. Trying again does not help.
    Setting(String),
    /// Anything else: exit code 1.
    Other(anyhow::Error),
}

impl From<Errors> for Failure {
    fn from(errors: Errors) -> Failure {
        Failure::Setting(errors.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::Setting(_) => 2,
            Failure::Other(_) => 1,
        }
    }

    /// A line for each thing that is wrong.
    fn lines(&self) -> Vec<String> {
        match self {
            Failure::Setting(text) => text.lines().map(String::from).collect(),
            Failure::Other(error) => vec![format!("{error:#}")],
        }
    }
}

/// Reads the command line and the environment, runs the command and says how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = run(&cli, environment());
    if let Err(failure) = &outcome {
        failure.lines().iter().for_each(|line| complain(line));
    }
    logging::flush(LAST_WORDS);
    outcome.err().map_or(ExitCode::SUCCESS, |failure| ExitCode::from(failure.exit_code()))
}

fn run(cli: &Cli, env: BTreeMap<String, String>) -> Result<(), Failure> {
    let filter = env.get("RUST_LOG").cloned();
    let sources = cli.sources(env);
    if let Command::CheckConfig(args) = &cli.command {
        return check_config::run(args, &sources);
    }
    let config = Config::load(&sources)?;
    if cli.command.is_long() {
        logging::start(config.log.format, filter.as_deref()).map_err(anyhow::Error::from)?;
    }
    match &cli.command {
        Command::Serve(args) => serve::run(config, args),
        Command::Token(args) => token::run(&config, args),
        Command::Publish(args) => publish::run(&config, args),
        Command::Migrate => migrate::run(&config),
        Command::Demo(args) => demo::run(&config, args),
        Command::CheckConfig(_) => Ok(()),
    }
}

impl Cli {
    fn sources(&self, env: BTreeMap<String, String>) -> Sources {
        let flags = match &self.command {
            Command::Serve(args) => Flags { host: args.host.clone(), port: args.port },
            _ => Flags::default(),
        };
        Sources { file: self.config.clone(), env, flags, dev: self.dev }
    }
}

impl Command {
    /// Whether it runs on and logs; the others answer on the terminal.
    fn is_long(&self) -> bool {
        matches!(self, Command::Serve(_) | Command::Migrate | Command::Demo(_))
    }
}

/// The process's variables; what is not Unicode in them becomes U+FFFD.
fn environment() -> BTreeMap<String, String> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// Prints to the standard output. A reader that has gone (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => Err(Failure::Other(why.into())),
        _ => Ok(()),
    }
}

/// Says something beside the result. A standard error output that is closed is no failure.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "roomcast: {text}");
}

/// Says what went wrong: in the log where there is one, so that a log of JSON stays one.
fn complain(line: &str) {
    if logging::is_started() {
        log::error!("{line}");
    } else {
        note(line);
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_serve_become_sources() {
        let cli = parse("roomcast serve --dev --config r.toml --host ::1 --port 0").unwrap();
        let sources = cli.sources(BTreeMap::new());
        assert_eq!((sources.dev, sources.file), (true, Some("r.toml".into())));
        assert_eq!((sources.flags.host.as_deref(), sources.flags.port), (Some("::1"), Some(0)));
        assert!(parse("roomcast --dev serve").unwrap().dev, "global flags stand anywhere");
    }

    #[test]
    fn a_token_is_described_by_flags() {
        let line = "roomcast token --sub u1 --permissions admin,publish --owned c1 --participating c2,c3";
        let Command::Token(args) = parse(line).unwrap().command else { panic!() };
        assert_eq!((args.sub.as_str(), args.ttl), ("u1", 3600));
        assert_eq!(
            (args.permissions, args.owned),
            (vec!["admin".into(), "publish".into()], vec!["c1".to_owned()])
        );
        assert_eq!(args.participating, ["c2", "c3"]);
        assert!(parse("roomcast token").is_err() && parse("roomcast token --sub u --ttl 0").is_err());
    }

    #[test]
    fn publishing_takes_a_key_or_a_token_only_for_a_running_hub() {
        assert!(parse("roomcast publish campaign:c1 {}").is_ok());
        assert!(parse("roomcast publish campaign:c1 {} --url http://h --api-key k").is_ok());
        assert!(parse("roomcast publish campaign:c1 {} --url http://h --token t").is_ok());
        assert!(parse("roomcast publish campaign:c1 {} --api-key k").is_err());
        assert!(parse("roomcast publish campaign:c1 {} --url http://h --token t --api-key k").is_err());
    }

    #[test]
    fn demo_has_sensible_defaults() {
        let Command::Demo(args) = parse("roomcast demo --once").unwrap().command else { panic!() };
        assert_eq!((args.campaigns, args.events_per_second, args.once), (10, 5, true));
        assert!(parse("roomcast demo --campaigns 0").is_err());
    }

    #[test]
    fn a_wrong_setting_ends_with_2_and_anything_else_with_1() {
        let env = BTreeMap::from([("ROOMCAST_SERVER__PORT".to_owned(), "x".to_owned())]);
        let failure = run(&parse("roomcast check-config").unwrap(), env).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.lines()[0].starts_with("ROOMCAST_SERVER__PORT: server.port: "));
        assert_eq!(Failure::from(anyhow::anyhow!("no disk")).exit_code(), 1);
        assert_eq!(parse("roomcast serve --port x").unwrap_err().exit_code(), 2);
    }
}
