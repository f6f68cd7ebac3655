//! What is looked at every second while the loads run, a line for each minute, and the verdicts at the end.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::Engine;
use crate::load::Outcome;
use crate::load::invariants::{Sampler, Scope};
use crate::load::writers::Writers;
use crate::processes::{cpu_of_children_s, cpu_s, machine_busy_s, own_s, resident_mib};
use crate::series::Series;
use crate::stage::{Kind, Stage};

const MINUTE: usize = 60;
/// Districts that a sample looks at; once in a minute it is all of them.
const DISTRICTS: usize = 4;

/// Processor seconds so far.
#[derive(Debug, Clone, Copy)]
struct Spent {
    engine: f64,
    source: f64,
    /// Of the source, for sending its log to the engine, where that is a process.
    sending: f64,
    target: f64,
    loads: f64,
    machine: f64,
    at: Instant,
}

/// The watch over one source's run.
pub struct Watch<'a> {
    stage: &'a Stage,
    engine: &'a mut Engine,
    loads: &'a [Writers; 2],
    sampler: Sampler,
    /// Milliseconds, as the engine says it: the largest of its mappings.
    lag: Series,
    /// Milliseconds, as a reader of the target sees it: how old the newest beat is that is there.
    age: Series,
    state_mib: Vec<u64>,
    whole_samples: u64,
    violations: Vec<String>,
    began: Spent,
    status: Value,
}

impl<'a> Watch<'a> {
    /// Begins to count.
    pub fn new(stage: &'a Stage, engine: &'a mut Engine, loads: &'a [Writers; 2], sampler: Sampler) -> Outcome<Self> {
        let began = spent(stage, engine)?;
        let (lag, age) = Default::default();
        let (state_mib, violations) = Default::default();
        Ok(Self { stage, engine, loads, sampler, lag, age, state_mib, whole_samples: 0, violations, began, status: Value::Null })
    }

    /// Watches for so many minutes, or until an invariant is broken; what is broken.
    pub async fn during(&mut self, minutes: u32) -> Outcome<Vec<String>> {
        println!(
            "[{}] min  sysbench/s  tpcc/s  lag ms (min/median/max)  age in target ms  cpu % of one: engine source target loads rest  load  state MiB  memory MiB  outbox KiB",
            self.stage.kind.name()
        );
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let (mut before, mut committed) = (self.began, [0; 2]);
        for minute in 1..=minutes {
            let mut seen = 0;
            while before.at.elapsed() < Duration::from_secs(60) {
                ticks.tick().await;
                self.look(seen == 0).await?;
                seen += 1;
                if !self.violations.is_empty() {
                    return Ok(std::mem::take(&mut self.violations));
                }
            }
            let now = spent(self.stage, self.engine)?;
            self.line(minute, seen, (before, now), &mut committed);
            before = now;
        }
        Ok(Vec::new())
    }

    async fn look(&mut self, is_whole: bool) -> Outcome<()> {
        let sample = self.sampler.sample(if is_whole { Scope::Whole } else { Scope::Districts(DISTRICTS) }).await?;
        self.whole_samples += u64::from(is_whole);
        self.age.push(sample.age_ms);
        self.violations.extend(sample.violations);
        if let Some(status) = self.engine.status()? {
            let lags = status["mappings"].as_array().into_iter().flatten().filter_map(|mapping| mapping["lag_ms"].as_i64());
            self.lag.push(lags.max().ok_or("the engine knows no lag")?);
            self.status = status;
        }
        Ok(())
    }

    fn line(&mut self, minute: u32, seen: usize, (before, now): (Spent, Spent), committed: &mut [u64; 2]) {
        let seconds = (now.at - before.at).as_secs_f64();
        let share = |of: fn(&Spent) -> f64| (of(&now) - of(&before)) / seconds * 100.0;
        let rest = share(|spent| spent.machine) - share(|spent| spent.engine + spent.source + spent.target + spent.loads);
        let done = self.loads.each_ref().map(Writers::committed);
        let [sysbench, tpcc] = [0, 1].map(|load| (done[load] - committed[load]) as f64 / seconds);
        *committed = done;
        let state_mib = self.status["state_bytes"].as_u64().unwrap_or(0) >> 20;
        self.state_mib.push(state_mib);
        println!(
            "[{}] {minute:>3}  {sysbench:>10.1}  {tpcc:>6.1}  {:>23}  {:>16}                {:>6.1} {:>6.1} {:>6.1} {:>5.1} {rest:>4.0}  {:>4}  {state_mib:>9}  {:>10}  {:>10}",
            self.stage.kind.name(),
            self.lag.last(seen.min(MINUTE)),
            self.age.last(seen.min(MINUTE)),
            share(|spent| spent.engine),
            share(|spent| spent.source),
            share(|spent| spent.target),
            share(|spent| spent.loads),
            std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default(),
            resident_mib(self.engine.id()),
            self.status["outbox_bytes"].as_u64().unwrap_or(0) >> 10,
        );
    }

    /// Prints the verdicts while the loads still run; what does not hold.
    pub fn report(&self) -> Outcome<Vec<String>> {
        let name = self.stage.kind.name();
        let mut failures = Vec::new();
        // MariaDB logs its commits in whole seconds: that much of its lag is the clock's.
        let margin = if self.stage.kind == Kind::MariaDb { 1_000 } else { 250 };
        for (what, series, margin, bound) in [("lag", &self.lag, margin, 2_000), ("age in target", &self.age, 250, 2_000)] {
            match series.flat(margin, bound) {
                Ok(words) => println!("[{name}] {what} is flat: {words}"),
                Err(words) => failures.push(format!("{what} is not flat: {words}")),
            }
        }
        for mapping in self.status["mappings"].as_array().into_iter().flatten() {
            let latency = &mapping["latency"];
            let [p50, p99, max] = ["p50_us", "p99_us", "max_us"].map(|field| latency[field].as_f64().unwrap_or(0.0) / 1e3);
            println!(
                "[{name}] {} commit to visible p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms over {} transactions (counted from {})",
                mapping["mapping"], latency["count"], latency["counted_from"]
            );
        }
        let (count, moved) = (self.sampler.count, self.sampler.moved);
        println!("[{name}] {count} samples ({} of the whole target), {moved} saw a new state, 0 violations", self.whole_samples);
        if moved * 2 < count {
            failures.push(format!("only {moved} of {count} samples saw a new state"));
        }
        failures.extend(self.processors()?);
        let (first, last) = (self.state_mib.first().copied().unwrap_or(0), self.state_mib.last().copied().unwrap_or(0));
        let minutes = self.state_mib.len().saturating_sub(1).max(1) as f64;
        println!(
            "[{name}] state {first} MiB after the first minute, {last} MiB now: {:.2} MiB a minute",
            (last as f64 - first as f64) / minutes
        );
        Ok(failures)
    }

    fn processors(&self) -> Outcome<Option<String>> {
        let name = self.stage.kind.name();
        let now = spent(self.stage, self.engine)?;
        let over = |of: fn(&Spent) -> f64| of(&now) - of(&self.began);
        let (engine, source, sending) = (over(|spent| spent.engine), over(|spent| spent.source), over(|spent| spent.sending));
        let (target, loads) = (over(|spent| spent.target), over(|spent| spent.loads));
        let changes = self.status["change_count"].as_f64().unwrap_or(0.0).max(1.0);
        let verdict = if engine < source { "met" } else { "NOT met" };
        println!(
            "[{name}] processor seconds: engine {engine:.1}, source {source:.1} (of which {sending:.1} for sending its log), target {target:.1} (with the \
             sampler's questions), the loads' own sessions of all sources {loads:.1}"
        );
        println!("[{name}] engine / source {:.2}: the engine uses less than the source: {verdict}", engine / source);
        println!(
            "[{name}] engine: {changes:.0} changed rows of mapped tables, {:.0} us of processor each",
            engine * 1e6 / changes
        );
        let failure = || format!("the engine used {engine:.1} s of processor time, the source's server {source:.1} s: NOT met");
        Ok((engine >= source).then(failure))
    }

    /// The sampler, for a last look.
    pub fn into_sampler(self) -> Sampler {
        self.sampler
    }
}

fn spent(stage: &Stage, engine: &Engine) -> Outcome<Spent> {
    let [source, target] = stage.server_ids()?;
    Ok(Spent {
        engine: cpu_s(engine.id()),
        source: cpu_s(source),
        sending: cpu_of_children_s(source, |title| title.contains("walsender")),
        target: cpu_s(target),
        loads: own_s(std::process::id()), // the servers are children of this process, and counted themselves
        machine: machine_busy_s(),
        at: Instant::now(),
    })
}
