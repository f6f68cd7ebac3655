//! The legacy shop from the command line: load it into a server of yours, and keep it busy.
//!
//! `cargo run --example homeshop -- load --url mysql://user:password@host/homeshop --orders 10000 --seed 1`
//! `cargo run --example homeshop -- write --url .. --rate 50 --seconds 20`

use clap::{Parser, Subcommand};
use std::time::Duration;
use strangler::demo::shop::{ShopError, ShopOptions, Writer, load_with_progress};

#[derive(Parser)]
#[command(about = "The legacy home-shopping ERP: load it, and keep it busy")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create the database and load it
    Load {
        /// mysql://user:password@host:port/database; also from HOMESHOP_URL
        #[arg(long, env = "HOMESHOP_URL", hide_env_values = true)]
        url: String,
        /// Number of orders; about ten legacy rows each
        #[arg(long, default_value_t = 10_000)]
        orders: u32,
        /// The same seed gives the same rows
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Order, pay, ship, cancel, rename, delete and re-key until the time is over
    Write {
        /// mysql://user:password@host:port/database; also from HOMESHOP_URL
        #[arg(long, env = "HOMESHOP_URL", hide_env_values = true)]
        url: String,
        /// Transactions per second
        #[arg(long, default_value_t = 50.0)]
        rate: f64,
        /// How long; for ever if absent
        #[arg(long)]
        seconds: Option<u64>,
        /// The same seed does the same things to the same data
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let result = match Arguments::parse().command {
        Command::Load { url, orders, seed } => load_shop(&url, orders, seed).await,
        Command::Write { url, rate, seconds, seed } => write(&url, rate, seconds, seed).await,
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("homeshop: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn load_shop(url: &str, orders: u32, seed: u64) -> Result<(), ShopError> {
    let options = ShopOptions { orders, seed, ..ShopOptions::default() };
    let report = load_with_progress(url, options, |progress| {
        if progress.chunks.is_multiple_of(40) {
            eprintln!("{} rows, chunk {} of {}", progress.rows, progress.chunks, progress.chunks_total);
        }
    })
    .await?;
    println!("loaded {} orders, {} rows", report.orders, report.rows);
    Ok(())
}

async fn write(url: &str, rate: f64, seconds: Option<u64>, seed: u64) -> Result<(), ShopError> {
    let mut writer = Writer::connect(url, seed).await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        let time_over = async {
            match seconds {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time_over => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        let _ = stop.send(true); // nobody listens any more if the writer has failed
    });
    writer.run(rate, stopped).await?;
    let counts = writer.counts();
    println!(
        "{} committed, {} rolled back, {} collided, {} reconnects",
        counts.committed, counts.rolled_back, counts.collided, counts.reconnects
    );
    for (kind, times) in &counts.by_kind {
        println!("{times:>8} {kind}");
    }
    Ok(())
}
