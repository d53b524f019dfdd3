//! Plans on several instances over one store. What is asked here of SQLite can be asked of any store.

#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod race;
