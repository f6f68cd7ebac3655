//! Sessions of the old application, on either family of servers, that write in the background until they are stopped.

use super::driver::{Driver, Images};
use super::postgres::Session;
use crate::support::project::{Access, Project};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Two sessions that write at random moments.
pub struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<u64>>,
}

/// One session.
enum Writer {
    MySql(Box<Driver>),
    Postgres(Session),
}

impl Writer {
    async fn connect(project: &Project, seed: u64) -> Self {
        match project.source_access() {
            Access::MySql(url) => Self::MySql(Box::new(Driver::connect(url, seed).await)),
            Access::Postgres(_) => Self::Postgres(Session::new(project.source_client().await, seed).await),
        }
    }

    async fn step(&mut self, images: Images) {
        match self {
            Self::MySql(driver) => driver.steps(1, images).await,
            Self::Postgres(session) => session.steps(1).await,
        }
    }

    async fn large_row(&mut self) {
        match self {
            Self::MySql(driver) => driver.large_row(4_321).await,
            Self::Postgres(session) => session.large_row().await,
        }
    }
}

impl Writers {
    /// Begins to write, at most `steps_max` transactions in each session. On MySQL with `Images::Mixed` the images of rows are partial at times, which an engine takes when live only.
    pub async fn start(project: &Project, seed: u64, images: Images, steps_max: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for number in 0..2 {
            let mut writer = Writer::connect(project, seed + number).await;
            let mut rng = fastrand::Rng::with_seed(seed + number);
            let stopped = Arc::clone(&stop);
            tasks.push(tokio::spawn(async move {
                let mut steps = 0;
                while steps < steps_max && !stopped.load(Ordering::Relaxed) {
                    writer.step(images).await;
                    steps += 1;
                    if steps == 60 {
                        writer.large_row().await;
                    }
                    tokio::time::sleep(Duration::from_millis(rng.u64(0..30))).await;
                }
                steps
            }));
        }
        Self { stop, tasks }
    }

    /// Ends the sessions; how many transactions they tried.
    pub async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.wait().await
    }

    /// Waits until they have written what they may; how many transactions they tried.
    pub async fn wait(self) -> u64 {
        let mut steps = 0;
        for task in self.tasks {
            steps += task.await.unwrap();
        }
        steps
    }
}
