//! The pages in a real browser: who comes in, what moves, what is told of a call that broke, what happens when the
//! socket cannot be had, and how much there can be of all that.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod business;
#[cfg(test)]
mod crowd;
#[cfg(test)]
#[expect(dead_code, reason = "a page needs less than all of it")]
#[path = "../calls/house.rs"]
mod house;
#[cfg(test)]
mod phone;
#[cfg(test)]
#[expect(dead_code, reason = "a page needs less than all of it")]
#[path = "../calls/scenes.rs"]
mod scenes;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod smooth;
#[cfg(test)]
mod story;
#[cfg(test)]
mod wire;
