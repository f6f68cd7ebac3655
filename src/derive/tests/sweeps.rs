//! Hot changes: derived by way of marks in the same epoch, or deferred and swept between later ones. Strict tables are right after every
//! batch; swept ones whenever nothing of them is pending.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::random::{Targets, apply, compare, fill_all, plan_of};
use super::store::MapStore;
use super::world::{World, catalog};
use crate::change::Change;
use crate::derive::{Arrangements, Bounds, Mutation, Outlets, Reach, Space, Step, Swept, step_in_parts, sweep, sweeps_after};
use crate::error::{Error, Result};
use crate::plan::{HotChange, NodeId, Plan};

/// A store that takes marks while it is read.
#[derive(Default)]
struct Shared(Mutex<MapStore>);

impl Arrangements for Shared {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.lock().unwrap().get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        // Copied first: `visit` may read or mark.
        let entries = self.0.lock().unwrap().spaces.get(&space).cloned().unwrap_or_default();
        MapStore { spaces: BTreeMap::from([(space, entries)]) }.scan(space, prefix, after, visit)
    }
}

impl Shared {
    fn apply(&self, mutations: Vec<Mutation>) {
        self.0.lock().unwrap().apply(mutations);
    }

    fn take(&self, plan: &Plan, targets: &mut Targets, step: Step) {
        assert!(step.failures.is_empty(), "{:?}", step.failures);
        self.apply(step.mutations);
        if step.is_marked {
            self.0.lock().unwrap().spaces.retain(|space, _| !matches!(space, Space::Dirty(_)));
        }
        apply(plan, targets, &step.writes[0]);
    }

    fn hot_step(&self, plan: &Plan, changes: &[Change], anchors_max: usize) -> Step {
        let mut parts = |_| Err(Error::bug("nothing is given in parts"));
        let mut marks = |marks| {
            self.apply(marks);
            Ok(())
        };
        let outlets = Outlets { parts: &mut parts, marks: &mut marks };
        step_in_parts(plan, self, changes, &[], Bounds { anchors_max, ..Bounds::none() }, outlets).unwrap()
    }

    /// Takes a slice; how many entries it visited, and how many anchors it derived.
    fn slice(&self, plan: &Plan, targets: &mut Targets, node: NodeId, keys_max: usize) -> (usize, u64) {
        let mut parts = |_| Err(Error::bug("nothing is given in parts"));
        let Swept { step, entry_count } = sweep(plan, self, node, keys_max, usize::MAX, &mut parts).unwrap();
        let derived = step.derived;
        self.take(plan, targets, step);
        (entry_count, derived)
    }

    /// The first table with something pending.
    fn pending(&self, plan: &Plan) -> Option<NodeId> {
        (0..plan.nodes.len() as u32).map(NodeId).find(|node| sweeps_after(self, *node, &[]).unwrap() > 0)
    }
}

/// Random batches; how many of them left jobs, and how many went through marks.
fn run(seed: u64, hot_change: HotChange) -> (usize, usize) {
    let catalog = catalog();
    let (mut plan, queries) = plan_of(&catalog, None);
    plan.nodes.iter_mut().for_each(|node| node.policies.hot_change = hot_change);
    let mut world = World::new(&catalog, seed);
    let store = Shared::default();
    fill_all(&plan, &mut store.0.lock().unwrap(), 3);
    let mut targets: Targets = plan.nodes.iter().map(|_| BTreeMap::new()).collect();
    let (mut deferred, mut marked) = (0, 0);
    for number in 0..60 {
        let changes = world.batch(&plan);
        let step = store.hot_step(&plan, &changes, world.rng.usize(0..4));
        marked += usize::from(step.is_marked);
        deferred += usize::from(step.mutations.iter().any(|mutation| matches!(mutation.space, Space::Sweep(_))));
        store.take(&plan, &mut targets, step);
        for _ in 0..world.rng.usize(0..3) {
            if let Some(node) = store.pending(&plan) {
                store.slice(&plan, &mut targets, node, world.rng.usize(1..4));
            }
        }
        if world.rng.u8(0..4) == 0 || number == 59 {
            while let Some(node) = store.pending(&plan) {
                store.slice(&plan, &mut targets, node, world.rng.usize(1..6));
            }
            compare(&world, &plan, &queries, &targets, &format!("seed {seed}, batch {number}, swept"));
        } else if hot_change == HotChange::Strict {
            assert_eq!(store.pending(&plan), None);
            compare(&world, &plan, &queries, &targets, &format!("seed {seed}, batch {number}"));
        }
    }
    (deferred, marked)
}

#[test]
fn a_strict_hot_change_is_whole_in_its_epoch() {
    let runs: Vec<_> = (3_000..3_010).map(|seed| run(seed, HotChange::Strict)).collect();
    assert!(runs.iter().all(|(deferred, _)| *deferred == 0));
    assert!(runs.iter().map(|(_, marked)| marked).sum::<usize>() > 50, "{runs:?}");
}

#[test]
fn a_deferred_hot_change_is_whole_when_nothing_of_it_is_pending() {
    let runs: Vec<_> = (3_100..3_110).map(|seed| run(seed, HotChange::Deferred)).collect();
    assert!(runs.iter().map(|(deferred, _)| deferred).sum::<usize>() > 50, "{runs:?}");
}

/// Jobs of a plan that walks otherwise are not gone on with: everything is derived instead.
#[test]
fn jobs_of_another_plan_become_a_sweep_over_everything() {
    let catalog = catalog();
    let (mut plan, queries) = plan_of(&catalog, None);
    plan.nodes.iter_mut().for_each(|node| node.policies.hot_change = HotChange::Deferred);
    let mut world = World::new(&catalog, 3_200);
    let store = Shared::default();
    fill_all(&plan, &mut store.0.lock().unwrap(), 3);
    let mut targets: Targets = plan.nodes.iter().map(|_| BTreeMap::new()).collect();
    for _ in 0..40 {
        let changes = world.batch(&plan);
        let step = store.hot_step(&plan, &changes, 0);
        store.take(&plan, &mut targets, step);
        for (space, jobs) in &mut store.0.lock().unwrap().spaces {
            if matches!(space, Space::Sweep(_)) {
                jobs.values_mut().for_each(|value| value[0] ^= 1);
            }
        }
    }
    assert!(store.pending(&plan).is_some());
    while let Some(node) = store.pending(&plan) {
        store.slice(&plan, &mut targets, node, 3);
    }
    compare(&world, &plan, &queries, &targets, "the end");
}

#[test]
fn what_one_job_reaches_is_counted_before_it_is_derived() {
    let catalog = catalog();
    let (mut plan, _) = plan_of(&catalog, None);
    plan.nodes.iter_mut().for_each(|node| node.policies.hot_change = HotChange::Deferred);
    let mut world = World::new(&catalog, 3_300);
    let store = Shared::default();
    fill_all(&plan, &mut store.0.lock().unwrap(), 3);
    let mut targets: Targets = plan.nodes.iter().map(|_| BTreeMap::new()).collect();
    let (mut counted, mut single, mut uncounted) = (0, 0, 0);
    for _ in 0..120 {
        let changes = world.batch(&plan);
        let step = store.hot_step(&plan, &changes, 0);
        store.take(&plan, &mut targets, step);
        while let Some(node) = store.pending(&plan) {
            // In the middle of a job as well as before it.
            store.slice(&plan, &mut targets, node, world.rng.usize(1..3));
            let jobs = sweeps_after(&store, node, &[]).unwrap();
            let total = Reach::of(&plan, &store, &[node]).unwrap().map(|mut reach| {
                let mut go_on = || reach.go_on(&plan, &store, 2).unwrap();
                (0..10_000).find_map(|_| go_on()).unwrap()
            });
            let (mut visited, mut derived) = (0, 0);
            while sweeps_after(&store, node, &[]).unwrap() > 0 {
                let slice = store.slice(&plan, &mut targets, node, 3);
                (visited, derived) = (visited + slice.0 as u64, derived + slice.1);
            }
            let Some(total) = total else {
                uncounted += 1;
                continue;
            };
            counted += u64::from(total > 0);
            assert!(derived <= total && total <= visited, "{derived} derived of {total} counted, {visited} visited");
            if jobs == 1 {
                single += 1;
                assert_eq!(derived, total);
            }
        }
    }
    assert!(counted > 10 && single > 3 && uncounted > 3, "{counted} {single} {uncounted}");
}
