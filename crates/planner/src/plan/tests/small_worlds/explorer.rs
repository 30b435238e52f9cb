//! Breadth first through all moments of a world, each once.

use std::{
    collections::{HashSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
};

use super::{
    super::random::comes_to_rest,
    moves::{Moment, Move},
};

/// How many rounds a calm world may need to come to rest: a whole rollout takes about thirty.
const ROUNDS: usize = 300;

/// How a moment was reached: the moves, the newest first.
struct Path(Option<(Move, Rc<Path>)>);

impl Path {
    fn told(&self) -> String {
        let (mut moves, mut path) = (Vec::new(), self);
        while let Some((last, before)) = &path.0 {
            moves.push(format!("{last:?}"));
            path = before;
        }
        moves.reverse();
        moves.join(", ")
    }
}

/// Tries everything that may happen from `first` on. How many different moments there are.
pub fn explore(first: &Moment, misfortunes: &[Move]) -> usize {
    let mut known = HashSet::from([first.likeness()]);
    let mut restful = HashSet::new();
    let mut queue = VecDeque::from([(first.clone(), Rc::new(Path(None)))]);
    while let Some((moment, path)) = queue.pop_front() {
        told(&path, || come_to_rest(&moment, &mut restful));
        for next in moment.moves(misfortunes) {
            let path = Rc::new(Path(Some((next, path.clone()))));
            let Some(moment) = told(&path, || moment.after(next)) else { continue };
            if known.insert(moment.likeness()) {
                queue.push_back((moment, path));
            }
        }
    }
    known.len()
}

/// Says how it came to this where `step` fails.
fn told<T>(path: &Path, step: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|broken| {
        eprintln!("after {}", path.told());
        resume_unwind(broken)
    })
}

/// From here, undisturbed, everything comes to rest. Moments from which that is known are not played again.
fn come_to_rest(moment: &Moment, restful: &mut HashSet<u64>) {
    let mut moment = moment.clone();
    moment.calm();
    for _ in 0..ROUNDS {
        if !restful.insert(moment.likeness()) {
            return;
        }
        if !moment.round() {
            return comes_to_rest(&moment.lab);
        }
    }
    moment.lab.hold(Err(format!("no rest in {ROUNDS} rounds: {}", moment.lab.status().message)));
}
