//! The plan of a run: which process is signalled, started or ended, and when. It follows from the seed alone, not
//! from how long a step takes, so it can be repeated. At which instruction a step finds a process is chance.

use std::time::Duration;

use ringlog_testkit::Random;

/// Producing processes of each arena.
pub(crate) const PRODUCERS: u32 = 3;

/// Longest pause between two steps.
const PAUSE_MAX_US: u64 = 10_000;

/// A process that is started, signalled and started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Producer(u32),
    Writer,
    /// `ringlog tail --follow`.
    Follower,
}

/// An action on a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// `seed` is for what the process decides by itself.
    Start { seed: u64 },
    /// SIGKILL; of a producer with all its children, or alone, so that they outlive it.
    Kill { with_children: bool },
    /// SIGSTOP.
    Stop { with_children: bool },
    /// SIGCONT.
    Resume,
    /// The orderly end.
    End,
    /// A producer forks.
    Fork,
    /// A producer kills its youngest child.
    KillChild,
    /// A command looks into the ring once.
    Look { command: u32 },
}

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The wait before it.
    pub(crate) pause: Duration,
    pub(crate) arena: usize,
    pub(crate) role: Role,
    pub(crate) act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    Up,
    Stopped,
}

#[derive(Debug)]
struct Actor {
    arena: usize,
    role: Role,
    state: State,
    /// The step at which one that is stopped goes on, or one that is down is started again.
    due: u64,
}

/// The sequence of decisions.
#[derive(Debug)]
pub(crate) struct Plan {
    random: Random,
    actors: Vec<Actor>,
    step: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64, arenas: usize) -> Plan {
        let actors = (0..arenas).flat_map(|arena| {
            let producers = (0..PRODUCERS).map(Role::Producer);
            let roles = [Role::Writer, Role::Follower].into_iter().chain(producers);
            roles.map(move |role| Actor { arena, role, state: State::Down, due: 0 })
        });
        // Scattered, so that neighbouring seeds have nothing in common.
        let random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        Plan { random, actors: actors.collect(), step: 0 }
    }

    fn state_after(&mut self, act: Act) -> (State, u64) {
        match act {
            Act::Kill { .. } | Act::End => (State::Down, self.step + 1 + self.random.below(6)),
            Act::Stop { .. } => (State::Stopped, self.step + 1 + self.random.below(40)),
            _ => (State::Up, 0),
        }
    }

    /// What is done to a process that runs.
    fn choose(&mut self, role: Role) -> Act {
        let with_children = self.random.below(2) == 0;
        let dice = self.random.below(100);
        match role {
            Role::Producer(_) => match dice {
                0..35 => Act::Kill { with_children },
                35..45 => Act::End,
                45..70 => Act::Stop { with_children },
                70..90 => Act::Fork,
                _ => Act::KillChild,
            },
            Role::Writer => match dice {
                0..60 => Act::Kill { with_children: false },
                60..85 => Act::Stop { with_children: false },
                _ => Act::End,
            },
            Role::Follower => match dice {
                0..20 => Act::Kill { with_children: false },
                20..40 => Act::Stop { with_children: false },
                40..50 => Act::End,
                _ => Act::Look { command: self.random.below(1 << 16) as u32 },
            },
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    /// Never ends.
    fn next(&mut self) -> Option<Step> {
        self.step += 1;
        let due = self.actors.iter().position(|actor| actor.state != State::Up && actor.due <= self.step);
        let (at, act) = match due {
            Some(at) if self.actors[at].state == State::Down => {
                (at, Act::Start { seed: self.random.below(u64::MAX) })
            }
            Some(at) => (at, Act::Resume),
            None => {
                let at = self.random.below(self.actors.len() as u64) as usize;
                match self.actors[at].state {
                    State::Up => (at, self.choose(self.actors[at].role)),
                    // One that stands still may be killed, or wakes early.
                    State::Stopped if self.random.below(3) == 0 => (at, Act::Kill { with_children: true }),
                    State::Stopped => (at, Act::Resume),
                    State::Down => (at, Act::Start { seed: self.random.below(u64::MAX) }),
                }
            }
        };
        let (state, due) = self.state_after(act);
        let pause = Duration::from_micros(self.random.below(PAUSE_MAX_US));
        let actor = &mut self.actors[at];
        (actor.state, actor.due) = (state, due);
        Some(Step { pause, arena: actor.arena, role: actor.role, act })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_decisions() {
        let steps = |seed| Plan::new(seed, 4).take(10_000).collect::<Vec<_>>();
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
    }

    #[test]
    fn running_processes_are_signalled_and_ended_ones_started() {
        let mut states = std::collections::BTreeMap::new();
        for Step { arena, role, act, .. } in Plan::new(3, 2).take(20_000) {
            let state = states.entry((arena, format!("{role:?}"))).or_insert(State::Down);
            let (before, after) = match act {
                Act::Start { .. } => (vec![State::Down], State::Down),
                Act::Resume => (vec![State::Stopped], State::Up),
                Act::Kill { .. } => (vec![State::Up, State::Stopped], State::Down),
                Act::End => (vec![State::Up], State::Down),
                Act::Stop { .. } => (vec![State::Up], State::Stopped),
                Act::Fork | Act::KillChild | Act::Look { .. } => (vec![State::Up], State::Up),
            };
            assert!(before.contains(state), "{act:?} of one that is {state:?}");
            *state = if let Act::Start { .. } = act { State::Up } else { after };
        }
        assert_eq!(states.len(), 2 * (PRODUCERS as usize + 2));
    }
}
