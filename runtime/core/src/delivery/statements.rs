//! Turns writes into commands. Pure.
//!
//! Invariant: the commands, run in their order, have the effect of the writes one by one. Two statements may change
//! places only if both name different single `_id`s. Any other filter is a barrier in its collection, and the order
//! across collections is free. A unique index can still tell the difference, so a failure of the grouped form blames
//! nobody.
//!
//! In the grouped form, a must-match statement is not counted if it is sure to match: it asks for nothing but the `_id`
//! of a document that an earlier statement has matched or created. Identical statements on one `_id` with nothing
//! between them become one (`repeats`).

use std::collections::HashMap;
use std::sync::Arc;

use super::repeats::times;
use crate::seeded::{self, Bug};
use crate::store::{Command, IdKey, Kind, Write};

/// How statements are arranged in commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As few commands as the rules allow.
    Grouped,
    /// In the order of the writes. Each command belongs to one delivery, and each must-match statement is a command of
    /// its own, whose `n` is checked, so a failure shows whose it is.
    Strict,
}

/// The most bytes of statements in one command. MongoDB takes 48 MB a message.
const COMMAND_BYTES: usize = 12 << 20;
/// The most statements in one command. MongoDB's bound for a write batch is 100,000.
const COMMAND_STATEMENTS: usize = 10_000;

/// Returns the commands for writes, each with the numbers of the deliveries that made it.
#[must_use]
pub fn commands<'a>(writes: impl IntoIterator<Item = (usize, &'a Write)>, form: Form) -> Vec<Command> {
    match form {
        Form::Grouped => grouped(writes),
        Form::Strict => strict(writes),
    }
}

/// What statements in one command have in common: MongoDB's command, and whether its `n` is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class {
    kind: Kind,
    must_match: bool,
    /// It has a command to itself, because its `n` would hide that others matched nothing.
    alone: bool,
}

impl Class {
    fn of(write: &Write) -> Self {
        let must_match = write.must_match && !seeded::on(Bug::SharedCount);
        Self { kind: write.kind, must_match, alone: must_match && write.multi }
    }
}

fn strict<'a>(writes: impl IntoIterator<Item = (usize, &'a Write)>) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for (owner, write) in writes {
        let class = Class::of(write);
        let open = commands
            .last_mut()
            .filter(|last| !class.must_match && last.owners.last() == Some(&owner) && joins(last, class, write));
        let made = push(open, class, owner, write);
        commands.extend(made);
    }
    commands
}

fn joins(command: &Command, class: Class, write: &Write) -> bool {
    command.kind == class.kind
        && command.must_match == class.must_match
        && command.collection == write.collection
        && command.statements.len() + write.statements.len() <= COMMAND_STATEMENTS
        && command.statements.iter().map(|statement| statement.as_bytes().len()).sum::<usize>() + write.bytes()
            <= COMMAND_BYTES
}

/// Adds the write to the command, or returns a new one that holds it.
fn push(command: Option<&mut Command>, class: Class, owner: usize, write: &Write) -> Option<Command> {
    let owners = std::iter::repeat_n(owner, write.statements.len());
    match command {
        Some(command) => {
            command.statements.extend(write.statements.iter().cloned());
            command.owners.extend(owners);
            None
        }
        None => Some(Command {
            collection: Arc::clone(&write.collection),
            kind: write.kind,
            must_match: class.must_match,
            statements: write.statements.clone(),
            owners: owners.collect(),
        }),
    }
}

/// A collection's commands while they are assembled, layer by layer. A layer has a command for each class.
#[derive(Default)]
struct Layers {
    all: Vec<Layer>,
    /// The lowest layer that may be added to. Barriers are below it.
    floor: usize,
    /// The last statement on each document.
    last: HashMap<IdKey, Last>,
    /// How many statements so far may delete any document.
    deletions: usize,
}

#[derive(Clone, Copy)]
struct Last {
    layer: usize,
    class: Class,
    /// Whether the document exists once this has succeeded. It may be gone again if `deletions` is no longer this
    /// number.
    exists: Option<usize>,
}

#[derive(Default)]
struct Layer {
    barrier: bool,
    groups: Vec<Group>,
}

struct Group {
    class: Class,
    bytes: usize,
    command: Command,
    /// How often the last statement is repeated after its first time.
    again: usize,
}

impl Group {
    fn new(class: Class, bytes: usize, command: Command) -> Self {
        Self { class, bytes, command, again: 0 }
    }

    fn add(&mut self, owner: usize, write: &Write) {
        self.bytes += write.bytes();
        let single = self.class.kind == Kind::Update && !self.class.must_match && write.id_only && !write.multi;
        if single && self.command.statements.last() == write.statements.first() {
            self.again += 1;
            self.command.owners.push(owner);
        } else {
            self.close();
            push(Some(&mut self.command), self.class, owner, write);
        }
    }

    /// Writes out the repetitions of the last statement.
    fn close(&mut self) {
        let again = std::mem::take(&mut self.again);
        let Some(last) = self.command.statements.last_mut().filter(|_| again > 0) else { return };
        if let Some(all) = times(last, again + 1) {
            *last = all;
        } else {
            let last = last.clone();
            self.command.statements.extend(std::iter::repeat_n(last, again));
        }
    }

    fn command(mut self) -> Command {
        self.close();
        self.command
    }
}

fn grouped<'a>(writes: impl IntoIterator<Item = (usize, &'a Write)>) -> Vec<Command> {
    let mut order: Vec<Arc<str>> = Vec::new();
    let mut collections: HashMap<Arc<str>, Layers> = HashMap::new();
    for (owner, write) in writes {
        let layers = collections.entry(Arc::clone(&write.collection)).or_insert_with(|| {
            order.push(Arc::clone(&write.collection));
            Layers::default()
        });
        layers.add(owner, write);
    }
    order
        .iter()
        .filter_map(|collection| collections.remove(collection))
        .flat_map(|layers| layers.all)
        .flat_map(|layer| layer.groups)
        .map(Group::command)
        .collect()
}

impl Layers {
    fn add(&mut self, owner: usize, write: &Write) {
        let class = Class::of(write);
        let Some(id) = &write.id else {
            if write.kind == Kind::Delete {
                self.deletions += 1;
            }
            let layer = self.layer_of_barrier(class);
            self.put(layer, class, owner, write);
            return;
        };
        let last = self.last.get(id).copied();
        let existed = last.is_some_and(|last| last.exists == Some(self.deletions));
        // It is counted with the previous statement if that one was counted. Otherwise a layer is saved.
        let sure = class.must_match && write.id_only && existed && last.is_some_and(|last| last.class != class);
        let class = Class { must_match: class.must_match && !sure, ..class };
        // Statements on one document keep their order: in one command if they have the same class, or else layer after
        // layer.
        let layer = match last {
            Some(last) if last.class == class => last.layer,
            Some(last) => last.layer + 1,
            None => 0,
        };
        let layer = layer.max(self.floor);
        let exists = match write.kind {
            Kind::Insert => true,
            Kind::Update => existed || write.upsert || class.must_match,
            Kind::Delete => false,
        };
        let exists = exists.then_some(self.deletions);
        self.last.insert(id.clone(), Last { layer, class, exists });
        self.put(layer, class, owner, write);
    }

    /// A barrier has a layer to itself. Successive barriers of one class share it, because a command runs its
    /// statements in order.
    fn layer_of_barrier(&mut self, class: Class) -> usize {
        let top = self.all.len();
        let shared = self.all.last().is_some_and(|layer| {
            layer.barrier && !class.alone && layer.groups.last().is_some_and(|group| group.class == class)
        });
        let place = if shared { top - 1 } else { top };
        self.all.resize_with(place + 1, Layer::default);
        self.all[place].barrier = true;
        self.floor = place + 1;
        place
    }

    fn put(&mut self, place: usize, class: Class, owner: usize, write: &Write) {
        if self.all.len() <= place {
            self.all.resize_with(place + 1, Layer::default);
        }
        let bytes = write.bytes();
        let groups = &mut self.all[place].groups;
        // Only the last group of the class: an earlier one is full, and statements on one document keep their order.
        let open = groups.iter_mut().rfind(|group| group.class == class).filter(|group| {
            group.bytes + bytes <= COMMAND_BYTES
                && group.command.owners.len() + write.statements.len() <= COMMAND_STATEMENTS
        });
        if let Some(group) = open {
            group.add(owner, write);
        } else if let Some(command) = push(None, class, owner, write) {
            groups.push(Group::new(class, bytes, command));
        }
    }
}

#[cfg(test)]
#[path = "statements_test.rs"]
mod tests;
