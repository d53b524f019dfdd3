//! Several processes on one store, as a platform runs them: behind a balancer, killed without a word, restarted one after
//! the other, and for a long time with everything around them going wrong.

#[cfg(test)]
mod apart;
#[cfg(test)]
mod balancer;
#[cfg(test)]
mod calls;
#[cfg(test)]
#[path = "../stores/emulator.rs"]
#[expect(dead_code, reason = "the tests of the stores need more of it")]
mod emulator;
#[cfg(test)]
mod fleet;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod gauge;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod outlives;
#[cfg(test)]
mod place;
#[cfg(test)]
mod placed;
#[cfg(test)]
mod restarts;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod soak;
#[cfg(test)]
mod story;
#[cfg(test)]
mod talk;
