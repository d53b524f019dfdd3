//! The rules of the house as tests: what the tree may contain, and what must agree with what.

#[cfg(test)]
mod deploy_files;
#[cfg(test)]
mod env_example;
#[cfg(test)]
mod law;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tree;
