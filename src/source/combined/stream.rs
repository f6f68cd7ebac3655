//! The streams of several sources as one: each is read by a task of its own, which opens it again by itself while its source is down.
//!
//! In which order events of different sources come is no promise; within one source it is the log's. One event of each source waits in memory
//! at most, so that a slow reader slows the servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::select_all;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::from_source;
use crate::change::SourceEvent;
use crate::error::{Error, Result};
use crate::position::Position;
use crate::schema::SourceCatalog;
use crate::source::backoff::Backoff;
use crate::source::{Layouts, Pace, Source, SourceStream};

/// One source's part of a stream.
pub(super) struct Member<S> {
    pub(super) name: String,
    pub(super) source: Arc<S>,
    /// What was recorded of it, under its own names.
    pub(super) catalog: SourceCatalog,
    pub(super) layouts: Layouts,
    /// Where its stream begins.
    pub(super) position: Position,
}

/// What the task of a member says.
enum Told {
    Event(SourceEvent, Pace),
    /// It is down, and tried again.
    Waits(Error),
    /// It is there, and perhaps has nothing to say.
    Open,
    /// It cannot go on.
    Failed(Error),
}

/// An open change stream over one or several sources.
pub struct CombinedStream<S: Source>(Inner<S>);

enum Inner<S: Source> {
    Lone(S::Stream),
    Several(Box<Several>),
}

struct Several {
    members: Vec<Reading>,
    /// What the events so far contain, per source.
    parts: BTreeMap<String, Position>,
    /// The source whose transaction the state holds in part comes first, up to here.
    first: Option<(usize, Position)>,
    /// Where the next look begins, so that a busy source does not keep the others waiting.
    turn: usize,
    /// Of the last event.
    pace: Pace,
    tasks: Vec<JoinHandle<()>>,
}

struct Reading {
    name: String,
    told: mpsc::Receiver<Told>,
    waits: Option<String>,
    is_open: bool,
}

impl<S: Source> CombinedStream<S> {
    pub(super) fn lone(stream: S::Stream) -> Self {
        Self(Inner::Lone(stream))
    }

    /// Opens every member's stream when it is first read; must be called within a runtime.
    pub(super) fn several(members: Vec<Member<S>>, durable: watch::Receiver<Position>, first: Option<Position>) -> Self {
        let mut several = Several {
            members: Vec::new(),
            parts: BTreeMap::new(),
            first: None,
            turn: 0,
            pace: Pace::default(),
            tasks: Vec::with_capacity(members.len() + 1),
        };
        let mut stored = Vec::new();
        for (place, member) in members.into_iter().enumerate() {
            let (sender, told) = mpsc::channel(1);
            let (durable, of_member) = watch::channel(member.position.clone());
            several.parts.insert(member.name.clone(), member.position.clone());
            // The component in which the unfinished transaction lies ahead is its source's.
            if let Some(ahead) =
                first.as_ref().and_then(|first| first.part(&member.name)).filter(|at| !member.position.contains(at))
            {
                several.first = Some((place, ahead.clone()));
            }
            several.members.push(Reading { name: member.name.clone(), told, waits: None, is_open: false });
            stored.push((member.name.clone(), durable));
            several.tasks.push(tokio::spawn(read(member, of_member, sender)));
        }
        several.tasks.push(tokio::spawn(share(durable, stored)));
        Self(Inner::Several(Box::new(several)))
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Tells each member how far its own log is stored.
async fn share(mut durable: watch::Receiver<Position>, members: Vec<(String, watch::Sender<Position>)>) {
    while durable.changed().await.is_ok() {
        let stored = durable.borrow_and_update().clone();
        for (name, sender) in &members {
            if let Some(part) = stored.part(name) {
                sender.send_if_modified(|held| {
                    let moves = held != part;
                    held.clone_from(part);
                    moves
                });
            }
        }
    }
}

/// Reads one member until nobody listens or it cannot go on.
async fn read<S: Source>(mut member: Member<S>, durable: watch::Receiver<Position>, sender: mpsc::Sender<Told>) {
    let mut backoff = Backoff::default();
    loop {
        let error = match follow(&mut member, &durable, &sender, &mut backoff).await {
            Ok(()) => return,
            Err(error) => error,
        };
        let passes = error.class().is_transient();
        let told = if passes { Told::Waits(error) } else { Told::Failed(error) };
        if sender.send(told).await.is_err() || !passes {
            return;
        }
        backoff.pause().await;
    }
}

/// Opens the stream behind the last event and hands events on; ends in order only when nobody listens any more.
async fn follow<S: Source>(
    member: &mut Member<S>,
    durable: &watch::Receiver<Position>,
    sender: &mpsc::Sender<Told>,
    backoff: &mut Backoff,
) -> Result<()> {
    let layouts = Arc::clone(&member.layouts);
    let mut stream = member.source.open_stream(&member.catalog, layouts, &member.position, durable.clone()).await?;
    if sender.send(Told::Open).await.is_err() {
        return Ok(());
    }
    loop {
        let event = stream.next().await?;
        backoff.reset();
        let position = position_of(&event).clone();
        let pace = stream.pace();
        if sender.send(Told::Event(event, pace)).await.is_err() {
            return Ok(());
        }
        member.position = position;
    }
}

fn position_of(event: &SourceEvent) -> &Position {
    match event {
        SourceEvent::Transaction(transaction) => &transaction.position,
        SourceEvent::SchemaChange(change) => &change.position,
        SourceEvent::Heartbeat { position } => position,
    }
}

impl<S: Source> SourceStream for CombinedStream<S> {
    async fn next(&mut self) -> Result<SourceEvent> {
        match &mut self.0 {
            Inner::Lone(stream) => stream.next().await,
            Inner::Several(several) => several.next().await,
        }
    }

    fn is_open(&self) -> bool {
        match &self.0 {
            Inner::Lone(stream) => stream.is_open(),
            Inner::Several(several) => several.members.iter().all(|member| member.is_open),
        }
    }

    fn waits(&self) -> Option<String> {
        match &self.0 {
            Inner::Lone(_) => None,
            Inner::Several(several) => several.waits(),
        }
    }

    fn pace(&self) -> Pace {
        match &self.0 {
            Inner::Lone(stream) => stream.pace(),
            Inner::Several(several) => several.pace,
        }
    }
}

impl Several {
    async fn next(&mut self) -> Result<SourceEvent> {
        let (place, told) = self.hear().await?;
        let Some(reading) = self.members.get_mut(place) else { return Err(Error::bug("an event of no source")) };
        match told {
            Told::Event(event, pace) => {
                reading.waits = None;
                self.pace = pace;
                self.stamped(place, event)
            }
            Told::Open => {
                (reading.waits, reading.is_open) = (None, true);
                Ok(SourceEvent::Heartbeat { position: self.position() })
            }
            Told::Failed(error) => Err(from_source(&reading.name, error)),
            Told::Waits(error) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                reading.waits = Some(format!("source {}: {error}{hint}", reading.name));
                // With all of them down it is for the caller to decide how long that may last.
                if self.members.iter().all(|member| member.waits.is_some()) {
                    return Err(error);
                }
                Ok(SourceEvent::Heartbeat { position: self.position() })
            }
        }
    }

    /// The next word of any member, or of the one that comes first. Cancel-safe, as receiving is.
    async fn hear(&mut self) -> Result<(usize, Told)> {
        let gone = || Error::bug("the task that reads a source ended");
        if let Some((place, _)) = &self.first {
            let place = *place;
            let reading = self.members.get_mut(place).ok_or_else(gone)?;
            return Ok((place, reading.told.recv().await.ok_or_else(gone)?));
        }
        let count = self.members.len().max(1);
        let mut order: Vec<(usize, &mut Reading)> = self.members.iter_mut().enumerate().collect();
        order.rotate_left(self.turn % count);
        let places: Vec<usize> = order.iter().map(|(place, _)| *place).collect();
        let heard = select_all(order.into_iter().map(|(_, reading)| Box::pin(reading.told.recv())));
        let (told, index, _) = heard.await;
        let place = places.get(index).copied().ok_or_else(gone)?;
        self.turn = place + 1;
        Ok((place, told.ok_or_else(gone)?))
    }

    /// The event with the position of all sources, in which this one's component has moved.
    fn stamped(&mut self, place: usize, event: SourceEvent) -> Result<SourceEvent> {
        let name = self.members.get(place).map(|reading| reading.name.clone()).unwrap_or_default();
        let own = position_of(&event).clone();
        if self.first.as_ref().is_some_and(|(_, end)| own.contains(end)) {
            self.first = None;
        }
        self.parts.insert(name.clone(), own);
        let position = self.position();
        Ok(match event {
            SourceEvent::Transaction(mut transaction) => {
                transaction.position = position;
                SourceEvent::Transaction(transaction)
            }
            SourceEvent::SchemaChange(mut change) => {
                change.position = position;
                change.tables = change.tables.iter().map(|table| table.within(&name)).collect();
                SourceEvent::SchemaChange(change)
            }
            SourceEvent::Heartbeat { .. } => SourceEvent::Heartbeat { position },
        })
    }

    fn position(&self) -> Position {
        Position::Several(self.parts.clone())
    }

    fn waits(&self) -> Option<String> {
        let reasons: Vec<&str> = self.members.iter().filter_map(|member| member.waits.as_deref()).collect();
        if reasons.is_empty() { None } else { Some(reasons.join("; ")) }
    }
}
