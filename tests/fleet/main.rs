//! Several processes on one store, as a platform runs them: behind a balancer, and killed without a word.

#[cfg(test)]
mod balancer;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod restarts;
